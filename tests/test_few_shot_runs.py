"""Whole few-shot runs on the little shop: trained on base types, evaluated on types never seen."""

import json

import pandas as pd
import pytest

from fewshot.errors import UserError
from fewshot.evaluation.compare import compare
from fewshot.models.model_file import load_model
from tests.test_main import run

HEADS = ["NearestPrototype", "SimpleShot", "KNN(k=1)", "MatchingAttention", "LogisticRegression"]


@pytest.fixture(scope="module")
def novel(shop, tmp_path_factory):
    """The shop's test photos as types of their own, and what a user binds."""
    folder = tmp_path_factory.mktemp("novel")
    table = pd.read_csv(shop.root / "test.csv", dtype=str)
    table["articleType"] = "Old " + table["articleType"]
    table.to_csv(folder / "novel.csv", index=False)
    return [
        *shop.bindings()[:-1],
        "test/FashionDataset.csv_file = None",
        f"novel/FashionDataset.csv_file = '{folder}/novel.csv'",
        *("SmallResNet.widths = (8, 16)", "Hardware.precision = '32-true'", "main.num_epochs = 1"),
        *("NovelEpisodes.n_way = 3", "NovelEpisodes.n_shot = (1, 2)"),
        *("NovelEpisodes.n_query = 4", "NovelEpisodes.n_episodes = 30"),
    ]


@pytest.fixture(scope="module")
def prototypical(novel, tmp_path_factory):
    sizes = ["n_way = 3", "n_shot = 2", "n_query = 3", "Episodes.episodes_per_epoch = 4"]
    return run(
        tmp_path_factory.mktemp("runs"),
        "prototypical",
        ["configs/few_shot/prototypical.gin"],
        [*novel, *sizes],
    )


def figures(folder):
    return json.loads((folder / "results.json").read_text())["novel"]


def test_one_macro_sizes_sampler_and_objective(prototypical):
    operative = (prototypical / "operative.gin").read_text()
    assert "Episodes.n_way = %n_way" in operative
    assert "PrototypicalNet.n_way = %n_way" in operative
    assert load_model(prototypical / "model.mdl").objective == "PrototypicalNet"


def test_every_head_is_reported_and_kinds_apart(prototypical):
    found = figures(prototypical)
    assert list(found["inductive"]["3way_2shot"]) == HEADS
    assert list(found["transductive"]["3way_2shot"]) == ["BDCSPN", "LaplacianShot"]
    assert found["inductive"]["3way_1shot"]["SimpleShot"]["n"] == 30


def test_evaluating_the_saved_model_gives_the_same_episodes(prototypical, novel, tmp_path):
    folder = run(
        tmp_path,
        "again",
        ["configs/few_shot_evaluate.gin"],
        [
            *novel,
            *("NovelEpisodes.n_shot = (2,)", "main.num_epochs = 0"),
            "FewShotEvaluation.heads = [@SimpleShot, @NearestPrototype]",
            f"TransferNet.saved_model_path = '{prototypical}/model.mdl'",
        ],
    )
    table = compare(prototypical, folder)
    assert sorted(table["episodes"]) == [
        "NearestPrototype, 3-way 2-shot",
        "SimpleShot, 3-way 2-shot",
    ]
    assert table["difference"].abs().max() < 1e-9


@pytest.fixture
def renamed(shop, tmp_path):
    """A training CSV of types that no model has seen."""
    table = pd.read_csv(shop.root / "test.csv", dtype=str)
    table["articleType"] = "New " + table["articleType"]
    table.to_csv(tmp_path / "base.csv", index=False)
    return f"FashionDataset.csv_file = '{tmp_path}/base.csv'"


def test_a_model_trained_on_novel_types_is_refused_whatever_this_runs_training_csv(
    prototypical, novel, renamed, shop, tmp_path
):
    bindings = [
        *novel,
        *("main.num_epochs = 0", f"TransferNet.saved_model_path = '{prototypical}/model.mdl'"),
        *(renamed, f"novel/FashionDataset.csv_file = '{shop.root}/train.csv'"),
    ]
    with pytest.raises(UserError, match=r"the model was trained on: Bags, Hats, Socks\. Few-shot"):
        run(tmp_path, "overlap", ["configs/few_shot_evaluate.gin"], bindings)


def test_a_model_that_learned_from_the_novel_images_without_labels_is_refused(
    novel, shop, tmp_path
):
    novel_csv = next(b for b in novel if b.startswith("novel/")).split("= ")[1]
    pretrained = run(
        tmp_path,
        "pretrained",
        ["configs/few_shot/contrastive.gin"],
        [
            *novel,
            f"FashionDataset.csv_file = {novel_csv}",
            *("FashionDataset.label_column = None", "main.evaluators = []"),
            *("main.validation_fraction = 0.0", "ShuffledBatches.batch_size = 8"),
        ],
    )
    bindings = [
        *novel,
        *("main.num_epochs = 0", f"TransferNet.saved_model_path = '{pretrained}/model.mdl'"),
    ]
    with pytest.raises(UserError, match="the saved model was trained on every image of the novel"):
        run(tmp_path, "leak", ["configs/few_shot_evaluate.gin"], bindings)
    assert not (tmp_path / "leak").exists()


def test_a_dry_run_refuses_what_the_run_would(novel, shop, tmp_path):
    for binding, message in (
        (f"novel/FashionDataset.csv_file = '{shop.root}/train.csv'", "training rows have, too: B"),
        ("novel/FashionDataset.csv_file = 'nowhere.csv'", r"nowhere\.csv"),
        ("NovelEpisodes.n_query = 400", r"fewer distinct images than n_shot \+ n_query"),
    ):
        with pytest.raises(UserError, match=message):
            run(tmp_path, "d", ["configs/few_shot/supervised.gin"], [*novel, binding], dry_run=True)
    assert not list(tmp_path.iterdir())
    run(tmp_path, "dry", ["configs/few_shot/supervised.gin"], novel, dry_run=True)
    assert not list(tmp_path.iterdir())


def test_training_goes_on_from_a_model_and_its_types_are_remembered(
    prototypical, novel, renamed, tmp_path
):
    folder = run(
        tmp_path,
        "finetuned",
        ["configs/few_shot/supervised.gin"],
        [
            *novel,
            renamed,
            *("ShuffledBatches.batch_size = 8", "main.evaluators = []"),
            *(
                "TransferNet.encoder = None",
                f"TransferNet.saved_model_path = '{prototypical}/model.mdl'",
            ),
        ],
    )
    stored = load_model(folder / "model.mdl")
    assert stored.class_names == ("New Bags", "New Hats", "New Socks")
    assert stored.trained_classes == ("Bags", "Hats", *stored.class_names, "Socks")


def test_too_few_novel_images_are_said_before_training(novel, tmp_path):
    many = ["NovelEpisodes.n_query = 400", "n_way = 3", "n_shot = 2", "n_query = 3"]
    with pytest.raises(UserError, match=r"fewer distinct images than n_shot \+ n_query = 2 \+ 400"):
        run(tmp_path, "early", ["configs/few_shot/prototypical.gin"], [*novel, *many])
    assert not (tmp_path / "early").exists()
