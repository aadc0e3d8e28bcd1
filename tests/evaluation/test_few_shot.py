import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.evaluation.compare import compare
from fewshot.evaluation.feature_space import within_class_whitening
from fewshot.evaluation.few_shot import FewShotEvaluation
from fewshot.evaluation.novel_episodes import NovelEpisodes
from fewshot.evaluation.refusals import check_selection
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.heads.knn import KNN
from fewshot.heads.prototypes import NearestPrototype
from fewshot.heads.transductive.bd_cspn import BDCSPN
from fewshot.reports.shown_tables import shown
from fewshot.training.tracking import scalars
from tests.evaluation.fakes import FakeDataset, PixelObjective, random_dataset, random_rows

SMALL = {"n_way": 3, "n_shot": (1, 2), "n_query": 3, "n_episodes": 30}


def novel():
    return random_dataset(90, seed=5, first_id=1000)


def evaluator(dataset=novel, heads=None, centre=True, whiten=None, prefix="", **options):
    """Of small episodes; options: of NovelEpisodes."""
    episodes = partial(NovelEpisodes, **{**SMALL, **options})
    return FewShotEvaluation(dataset, heads, episodes, centre, whiten, prefix)


def run(objective=None, datasets=None, **options):
    return evaluator(**options)(objective or PixelObjective("xyz"), datasets or {})


class Blurred(PixelObjective):
    """A worse model: only two pixels are looked at."""

    def embed(self, images):
        return super().embed(images)[:, :2]


def test_figures_tables_and_files(tmp_path):
    heads = [NearestPrototype, lambda: KNN(1), BDCSPN]
    evaluation = run(heads=heads, n_way=(3, "all"))
    figures = evaluation.metrics["novel"]
    assert (figures["n"], figures["n_classes"]) == (90, 6)
    assert set(figures["inductive"]) == {"3way_1shot", "3way_2shot", "6way_1shot", "6way_2shot"}
    assert set(figures["inductive"]["3way_1shot"]) == {"NearestPrototype", "KNN(k=1)"}
    assert set(figures["transductive"]["3way_1shot"]) == {"BDCSPN"}
    one, two = (figures["inductive"][f"3way_{k}shot"]["NearestPrototype"] for k in (1, 2))
    assert one["n"] == 30
    assert 1 / 3 < one["mean"] < two["mean"] <= 1
    accuracies = evaluation.sections[:2]
    assert [section.heading for section in accuracies] == [
        "Few-shot accuracy, inductive heads, novel classes",
        "Few-shot accuracy, transductive heads, novel classes",
    ]
    table = shown(accuracies[0].blocks[0]).frame
    assert table["head"].tolist() == ["NearestPrototype", "KNN(k=1)"]
    assert table["3-way, 1-shot"][0] == one
    folder = ExperimentFolder(tmp_path)
    for name, writer in evaluation.artifacts.items():
        folder.write_with(name, writer)
    accuracy = pd.read_csv(tmp_path / "tables" / "few_shot_accuracy_of_inductive_heads.csv")
    assert len(accuracy) == 2 * 4
    assert accuracy.iloc[0].to_dict() == {
        "n_way": 3,
        "n_shot": 1,
        "head": "NearestPrototype",
        **one,
    }
    per_class = pd.read_csv(tmp_path / "few_shot_per_class.csv")
    assert len(per_class) == 3 * 4 * 6
    first = per_class.query("head == 'NearestPrototype' and n_way == 3 and n_shot == 1")
    assert first["n"].sum() == 30 * 9
    assert (first["top1"] * first["n"]).sum() / first["n"].sum() == pytest.approx(one["mean"])
    assert (tmp_path / "few_shot_confusion_matrix.png").read_bytes()[:4] == b"\x89PNG"


def test_without_a_dataset_every_split_but_train_is_novel():
    every_split = evaluator(dataset=None)
    assert every_split.monitors
    assert not evaluator().monitors
    datasets = {"train": random_dataset(20, seed=1), "validation": novel()}
    evaluation = every_split(PixelObjective("xyz"), datasets)
    assert set(evaluation.metrics) == {"validation"}
    assert set(evaluation.metrics["validation"]["inductive"]["3way_1shot"]) == {
        "NearestPrototype", "SimpleShot",
    }  # fmt: skip
    assert not every_split(PixelObjective(), {"train": datasets["train"]}).artifacts


@pytest.mark.parametrize("n_way", [(2, 3), "all"])
def test_the_figures_it_states_are_those_it_reports(n_way):
    datasets = {"train": random_dataset(20, seed=1), "validation": novel()}
    every_split = evaluator(dataset=None, n_way=n_way, n_shot=(1, 2), prefix="x_")
    stated = every_split.figures(PixelObjective("xyz"), datasets)
    reported = every_split(PixelObjective("xyz"), datasets).metrics["validation"]
    assert stated == set(scalars(reported))
    for figure in stated:
        check_selection(f"validation/{figure}", [every_split], PixelObjective("xyz"), datasets)
    with pytest.raises(
        UserError, match=r"1shot/KNN', which no .* validation/x_inductive/2way_1sho"
    ):
        wrong = "validation/x_inductive/2way_1shot/KNN"
        check_selection(
            wrong, [evaluator(None, n_way=(2,), prefix="x_")], PixelObjective(), datasets
        )


def test_features_are_centred_by_the_training_mean():
    seen = []

    class Recording(NearestPrototype):
        def __call__(self, support, labels, query, n_classes):
            seen.append(support)
            return super().__call__(support, labels, query, n_classes)

    train = FakeDataset(np.full((4, 8), 7), [None] * 4)
    for centre in (True, False):
        options = {"n_shot": 1, "centre": centre}
        evaluator(heads=[Recording], **options)(PixelObjective(), {"train": train})
    torch.testing.assert_close(seen[0] + 7, seen[1])


def test_features_are_whitened_within_the_training_classes():
    seen = []

    class Recording(NearestPrototype):
        def __call__(self, support, labels, query, n_classes):
            seen.append(support)
            return super().__call__(support, labels, query, n_classes)

    rows = np.random.default_rng(0).integers(0, 50, (12, 8))
    train = FakeDataset(rows, list("xyzxyzxyzxyz"))
    objective = PixelObjective("xyz")
    for whiten in (5.0, None):
        options = {"n_shot": 1, "whiten": whiten}
        evaluator(heads=[Recording], **options)(objective, {"train": train})
    trained = objective.embed(train.images(np.arange(12)))
    whitening = within_class_whitening(trained, torch.from_numpy(train.labels), 5.0)
    torch.testing.assert_close(seen[0], seen[1] @ whitening)
    assert not torch.allclose(seen[0], seen[1])


def test_whitening_that_cannot_be():
    with pytest.raises(UserError, match=r"FewShotEvaluation\.whiten is 0: bind more than 0"):
        evaluator(whiten=0)
    whitening = evaluator(whiten=5.0)
    for datasets in ({}, {"train": FakeDataset(np.zeros((3, 8)), [None] * 3)}):
        with pytest.raises(UserError, match=r"whiten is bound, which needs a label on every train"):
            whitening.check(PixelObjective("xyz"), datasets)


def test_a_head_may_take_features_as_they_were_trained():
    seen = []

    class Recording(NearestPrototype):
        centred = False

        def __call__(self, support, labels, query, n_classes):
            seen.append(support)
            return super().__call__(support, labels, query, n_classes)

    train = FakeDataset(np.full((4, 8), 7), [None] * 4)
    for centre in (True, False):
        options = {"n_shot": 1, "centre": centre}
        evaluator(heads=[Recording], **options)(PixelObjective(), {"train": train})
    assert torch.equal(seen[0], seen[1])


def test_what_would_be_refused_after_training_is_refused_before_it():
    train = FakeDataset(np.zeros((3, 8)), list("xyz"))
    large = evaluator(n_query=100)
    with pytest.raises(UserError, match=r"1 \+ 100|2 \+ 100"):
        large.check(PixelObjective("xyz"), {"train": train})
    with pytest.raises(UserError, match="that the model was trained on: a"):
        evaluator().check(PixelObjective("a"), {"train": train})
    assert evaluator().check(PixelObjective("xyz"), {"train": train}) is None


def test_twins_of_training_images_are_left_out():
    images, labels = random_rows(40, 8, 0, "abc")
    train = FakeDataset(images[:4], ["x"] * 4, first_id=500)
    evaluation = run(
        dataset=lambda: FakeDataset(images, labels), n_shot=1, datasets={"train": train}
    )
    assert evaluation.metrics["novel"]["n"] == 36


def test_two_evaluators_keep_apart_by_a_prefix():
    evaluation = run(prefix="hard_")
    assert set(evaluation.metrics["novel"]) == {"n", "hard_n_classes", "hard_inductive"}
    assert all(Path(name).name.startswith("hard_") for name in evaluation.artifacts)


def test_confusions_add_up_to_the_queries(tmp_path):
    evaluation = run(heads=[NearestPrototype, BDCSPN], n_shot=1)
    path = tmp_path / "confusions.csv"
    evaluation.artifacts["few_shot_confusions.csv"](path)
    table = pd.read_csv(path)
    assert table.groupby(["kind", "head"])["n"].sum().to_dict() == {
        ("inductive", "NearestPrototype"): 30 * 9,
        ("transductive", "BDCSPN"): 30 * 9,
    }
    right = table.query("head == 'NearestPrototype' and `class` == predicted")["n"].sum()
    mean = evaluation.metrics["novel"]["inductive"]["3way_1shot"]["NearestPrototype"]["mean"]
    assert right / (30 * 9) == pytest.approx(mean)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_shot": ()}, "n_shot is empty"),
        ({"n_way": ()}, "n_way is empty"),
        ({"n_way": 5.0}, r"n_way is 5\.0: use a whole number"),
    ],
)
def test_empty_and_broken_numbers_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        evaluator(**options)


def test_all_of_a_single_class_is_no_episode():
    images, _ = random_rows(40, 8, 0, "abc")
    with pytest.raises(UserError, match="need two classes or more, and there are 1"):
        run(dataset=lambda: FakeDataset(images, ["a"] * 40), n_way="all")


def test_twins_never_meet():
    images, labels = random_rows(40, 8, 0, "abc")
    doubled = FakeDataset(np.concatenate([images, images]), labels + labels)
    evaluation = run(dataset=lambda: doubled, n_shot=1)
    assert evaluation.metrics["novel"]["n"] == 40
    once = run(dataset=lambda: FakeDataset(images, labels), n_shot=1)
    assert evaluation.metrics["novel"] == once.metrics["novel"]


def test_training_classes_among_the_novel_are_refused():
    with pytest.raises(UserError) as error:
        run(PixelObjective("abxyz"))
    assert str(error.value) == (
        "classes of the novel split that the model was trained on: a, b. Few-shot episodes are of "
        "classes never trained on: remove them from its CSV."
    )
    with pytest.raises(UserError, match="a, b, c, d, e and 1 more"):
        run(PixelObjective("abcdef"))


def test_classes_of_the_models_that_a_model_started_from_count_too():
    objective = PixelObjective("xyz")
    objective.trained_classes = tuple("cxyz")
    with pytest.raises(UserError, match=r"that the model was trained on: c\. Few-shot"):
        run(objective)


def test_training_rows_of_the_novel_classes_are_named_as_such():
    train = random_dataset(20, seed=1)
    with pytest.raises(UserError) as error:
        run(PixelObjective("abcdef"), {"train": train})
    assert str(error.value) == (
        "classes of the novel split that this run's training rows have, too: a, b, c, d, e and 1 "
        "more. Few-shot episodes are of classes never trained on: remove them from its CSV, or "
        "bind FashionDataset.csv_file to the CSV of the classes that the model is, or was, "
        "trained on."
    )


def test_images_that_a_saved_model_was_trained_on_are_left_out(caplog):
    objective = PixelObjective("xyz")
    objective.inherited_images = novel().image_digests()[:5]
    evaluation = run(objective)
    assert evaluation.metrics["novel"]["n"] == 85
    assert caplog.messages == [
        "novel: 5 of 90 images left out, which the saved model was trained on, without labels or "
        "under other ones"
    ]
    objective.inherited_images = novel().image_digests()
    with pytest.raises(UserError, match="saved model was trained on every image of the novel spl"):
        evaluator().check(objective, {})


def test_training_images_among_the_novel_are_refused_without_labels_too():
    train = FakeDataset(np.zeros((3, 8)), [None] * 3, first_id=1089)
    with pytest.raises(UserError) as error:
        run(PixelObjective(), {"train": train})
    assert str(error.value) == (
        "1 images of the novel split are training rows, for example 1089: remove them from one of "
        "the two CSVs."
    )


def test_too_few_images_or_classes():
    with pytest.raises(UserError, match="classes with fewer distinct images than n_shot"):
        run(n_query=50)
    with pytest.raises(UserError, match=r"NovelEpisodes\.n_way is 9, but there are 6 classes"):
        run(n_way=9)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_way": "every"}, "n_way is 'every': use a whole number of 2 or more or 'all'."),
        ({"n_way": 1}, "n_way is 1: use a whole number of 2 or more or 'all'."),
        ({"n_shot": (1, 0)}, "n_shot is 0: use a whole number of 1 or more."),
        ({"n_query": 0}, "n_query is 0: use a whole number of 1 or more."),
        ({"n_episodes": 1}, "n_episodes is 1: use a whole number of 2 or more."),
    ],
)
def test_wrong_options(options, message):
    with pytest.raises(UserError) as error:
        run(**options)
    assert str(error.value) == f"NovelEpisodes.{message}"


@pytest.mark.parametrize("heads", [[], [KNN, KNN]])
def test_heads_are_named_once(heads):
    with pytest.raises(UserError) as error:
        run(heads=heads)
    assert str(error.value) == (
        "FewShotEvaluation.heads is empty or has a head twice: name each once."
    )


@pytest.fixture
def folders(tmp_path):
    for name, objective in (("good", PixelObjective()), ("blurred", Blurred())):
        (tmp_path / name).mkdir()
        run(objective).artifacts["episodes.npz"](tmp_path / name / "episodes.npz")
    return tmp_path / "good", tmp_path / "blurred"


def test_compare_pairs_the_episodes(folders):
    table = compare(*folders)
    assert len(table) == 4
    stored = [np.load(folder / "episodes.npz")["accuracies"] for folder in folders]
    paired = stored[0] - stored[1]
    np.testing.assert_allclose(table["difference"], paired.mean(1))
    np.testing.assert_allclose(table["ci95"], 1.96 * paired.std(1, ddof=1) / 30**0.5)
    assert (table["difference"] > 0).all()
    assert compare(folders[0], folders[0] / "episodes.npz")["ci95"].tolist() == [0.0] * 4


def test_compare_from_the_command_line(folders, capsys):
    assert main(["compare", *(str(folder) for folder in folders)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("NearestPrototype, 3-way 1-shot, 30 episodes: A 0.")
    assert "A - B = +" in lines[0]
    assert lines[0].endswith(" points")
    assert main(["compare", str(folders[0]), "nowhere"]) == 2
    assert capsys.readouterr().err == (
        "error: nowhere does not exist: name the folder of an experiment that ran "
        "FewShotEvaluation.\n"
    )


def test_compare_is_found_under_its_first_name():
    command = [sys.executable, "-m", "fewshot.evaluation.compare", "--help"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "python -m fewshot compare" in result.stdout


def test_compare_refuses_what_cannot_be_paired(folders, tmp_path):
    other = tmp_path / "other.npz"
    run(seed=1).artifacts["episodes.npz"](other)
    with pytest.raises(UserError, match="was evaluated on different episodes in"):
        compare(folders[0], other)
    run(n_episodes=20).artifacts["episodes.npz"](other)
    with pytest.raises(UserError, match=r"on 30 episodes in .* and on 20 in .*n_episodes in both"):
        compare(folders[0], other)
    run(heads=[lambda: KNN(1)]).artifacts["episodes.npz"](other)
    with pytest.raises(UserError, match="nothing to compare: "):
        compare(folders[0], other)
    for content in (b"", b"text", b"PK\x03\x04broken"):
        other.write_bytes(content)
        with pytest.raises(UserError, match=r"is not an episodes\.npz written by"):
            compare(folders[0], other)
    with other.open("wb") as file:
        np.savez(file, names=np.array(["a"]))
    with pytest.raises(UserError, match=r"is not an episodes\.npz written by"):
        compare(folders[0], other)


def test_scores_that_are_no_numbers_are_refused():
    class Overflowing(NearestPrototype):
        def __call__(self, support, labels, query, n_classes):
            return super().__call__(support, labels, query, n_classes) * torch.nan

    with pytest.raises(UserError, match="Overflowing gave scores that are no numbers: an option"):
        run(heads=[Overflowing])


def test_a_head_that_refuses_a_setting_is_known_before_training():
    refused = evaluator(heads=[lambda: KNN(4)])
    with pytest.raises(UserError, match=r"KNN\.k is 4, but there are 3 references"):
        refused.check(PixelObjective("xyz"), {})
