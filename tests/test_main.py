"""Whole runs on the little shop: what a user types, and what is then in the folder."""

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from fewshot.binding import config
from fewshot.errors import UserError
from fewshot.main import main
from fewshot.models.extras import extras_of
from fewshot.models.model_file import load_model
from tests.conftest import COLOURS

REPOSITORY = Path(__file__).parent.parent
SMALL = [
    "SmallResNet.widths = (8, 16)",
    "ShuffledBatches.batch_size = 16",
    "TripletBatches.batch_size = 16",
    "Hardware.precision = '32-true'",
    "main.num_epochs = 2",
    "main.validation_fraction = 0.25",
    "EmbeddingMap.max_points = 24",
]


def run(output: Path, name: str, configs: list[str], bindings: list[str], dry_run: bool = False):
    """One run as the command line would start it; the folder it leaves."""
    request = config.new_run(configs, bindings, name, str(output), dry_run)
    main(request)
    return request.folder


@pytest.fixture(scope="module")
def transfer(tmp_path_factory, shop):
    """A finished transfer run."""
    return run(
        tmp_path_factory.mktemp("runs"),
        "transfer",
        ["configs/transfer.gin"],
        [*shop.bindings(), *SMALL],
    )


def results(folder: Path) -> dict:
    return json.loads((folder / "results.json").read_text())


def test_a_run_leaves_everything_in_its_folder(transfer):
    names = {path.name for path in transfer.iterdir()}
    assert names >= {
        *("config.gin", "operative.gin", "environment.json", "metrics.jsonl", "results.json"),
        *("per_class.csv", "predictions.csv", "report.md", "report.html", "curves.png"),
        *("confusion_matrix.png", "model.mdl", "last.ckpt", "tensorboard"),
    }
    assert not [name for name in names if name.startswith(".")], "a half-written file was left"
    found = results(transfer)
    assert found["status"] == "completed"
    assert found["selected_by"] == "validation/top1"
    assert found["epochs"] == 2
    test = found["test"]
    assert test["n"] == 24
    assert test["ceiling"] == 1.0
    assert 0 <= test["top1"] <= 1
    assert "top5" not in test  # of three classes one of the first five is always right
    assert set(test["seen"]) >= {"n", "top1", "mean_class_top1"}


def test_the_test_split_is_scored_once_and_only_after_training(transfer):
    rows = [json.loads(line) for line in (transfer / "metrics.jsonl").read_text().splitlines()]
    assert {row["split"] for row in rows} <= {"train", "validation", "test"}
    assert [row["split"] for row in rows].count("test") == 1
    assert rows[-1]["split"] == "test"
    table = pd.read_csv(transfer / "per_class.csv")
    assert table["n"].sum() == results(transfer)["test"]["n"]
    predictions = pd.read_csv(transfer / "predictions.csv")
    right = (predictions["label"] == predictions["class_1"]).mean()
    assert right == pytest.approx(results(transfer)["test"]["top1"])


def test_the_report_shows_the_images_it_names(transfer):
    page = (transfer / "report.html").read_text()
    assert "url(data:image/jpeg;base64," in page
    data = re.search(r"<script type=application/json>(.*)</script>", page).group(1)
    shown = {told[1] for cell in json.loads(data)["images"].values() for told in cell}
    assert shown == set(pd.read_csv(transfer / "predictions.csv")["id"])
    assert (transfer / "thumbnails.jpg").stat().st_size < 100_000


def test_scoring_the_training_split_leaves_the_mean_over_the_steps_alone(shop, tmp_path):
    bindings = [*shop.bindings(), *SMALL, "Classification.include_train = True"]
    folder = run(tmp_path, "scored", ["configs/transfer.gin"], bindings)
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    named = {row["split"]: row for row in rows}
    assert {"lr", "loss", "top1"} <= named["train"].keys()
    assert "n" not in named["train"]
    assert named["train_evaluated"]["n"] == results(folder)["train"]["n"]
    for split in ("train_", "validation_", ""):
        assert (folder / f"{split}confusion_matrix.png").is_file()


@pytest.mark.usefixtures("unpictured")
def test_running_config_gin_again_repeats_the_experiment(transfer, tmp_path):
    again = run(tmp_path, "again", [str(transfer / "config.gin")], [])
    first, second = load_model(transfer / "model.mdl"), load_model(again / "model.mdl")
    assert all(
        torch.equal(first.encoder.state[key], second.encoder.state[key])
        for key in first.encoder.state
    )
    assert results(again)["test"] == results(transfer)["test"]


@pytest.mark.usefixtures("unpictured")
def test_evaluating_the_saved_model_gives_the_same_figures(transfer, shop, tmp_path):
    model = f"TransferNet.saved_model_path = '{transfer}/model.mdl'"
    folder = run(
        tmp_path,
        "evaluate",
        ["configs/transfer_evaluate.gin"],
        [*shop.bindings(), *SMALL, "main.num_epochs = 0", model],
    )
    assert results(folder)["epochs"] == 0
    found = results(transfer)["test"]
    del found["selective"]  # of another evaluator
    assert results(folder)["test"] == found


def test_finetuning_on_other_classes_gets_a_new_classifier(transfer, shop, tmp_path, caplog):
    for split in ("train", "test"):
        table = pd.read_csv(shop.root / f"{split}.csv")
        table[table["articleType"] != "Socks"].to_csv(tmp_path / f"{split}.csv", index=False)
    data = [
        f"FashionDataset.csv_file = '{tmp_path}/train.csv'",
        f"test/FashionDataset.csv_file = '{tmp_path}/test.csv'",
        f"TransferNet.saved_model_path = '{transfer}/model.mdl'",
    ]
    with caplog.at_level("INFO", logger="fewshot"):
        folder = run(
            tmp_path, "finetune", ["configs/finetune.gin"], [*shop.bindings(), *SMALL, *data]
        )
    assert load_model(folder / "model.mdl").class_names == ("Bags", "Hats")
    assert "new classifier" in caplog.text


def test_triplets_and_nearest_neighbours(shop, tmp_path):
    folder = run(tmp_path, "triplet", ["configs/triplet.gin"], [*shop.bindings(), *SMALL])
    assert results(folder)["test"]["top1"] > 0.9
    assert (folder / "embedding.png").is_file()
    assert (folder / "embedding.html").is_file()
    saved = f"TripletNet.saved_model_path = '{folder}/model.mdl'"
    again = run(
        tmp_path,
        "again",
        ["configs/triplet_evaluate.gin"],
        [*shop.bindings(), *SMALL, "main.num_epochs = 0", saved],
    )
    first, second = results(folder)["test"], results(again)["test"]
    assert {name: second[name] for name in first} == first
    assert second["retrieval_recall_at_1"] > 0.9


def test_without_a_test_split_only_validation_is_reported(shop, tmp_path, caplog):
    (tmp_path / "alone").mkdir()
    csv = tmp_path / "alone" / "photos.csv"
    csv.write_text((shop.root / "train.csv").read_text())
    data = [f"FashionDataset.csv_file = '{csv}'", "test/FashionDataset.csv_file = None"]
    folder = run(
        tmp_path, "validation", ["configs/transfer.gin"], [*shop.bindings(), *SMALL, *data]
    )
    assert "test" not in results(folder)
    assert results(folder)["validation"]["n"] == 18


@pytest.mark.usefixtures("unpictured")
def test_row_selection_never_changes_the_test_split(transfer, shop, tmp_path):
    select = ["main.train_rows = @SelectRows", "SelectRows.per_class = 8"]
    folder = run(tmp_path, "few", ["configs/transfer.gin"], [*shop.bindings(), *SMALL, *select])
    few, all_rows = (pd.read_csv(f / "predictions.csv", dtype=str) for f in (folder, transfer))
    assert few["id"].tolist() == all_rows["id"].tolist()
    assert few["label"].tolist() == all_rows["label"].tolist()
    assert pd.read_csv(folder / "per_class.csv")["n_train"].tolist() == [6, 6, 6]


def test_a_dry_run_writes_nothing(shop, tmp_path, caplog):
    with caplog.at_level("INFO", logger="fewshot"):
        folder = run(
            tmp_path, "dry", ["configs/triplet.gin"], [*shop.bindings(), *SMALL], dry_run=True
        )
    assert list(tmp_path.iterdir()) == []
    assert not folder.exists()
    assert "[48, 3, 16, 16]" in caplog.text
    assert "nothing was written" in caplog.text


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (["main.sampler = @TripletBatches"], "TransferNet needs batches ordered 'image'"),
        (["main.evaluators = [@Classification, @KNNClassification]"], "bind a prefix"),
        (
            ["main.evaluators = [@Retrieval, @a/Retrieval]"],
            "bind a prefix on one of them, e.g. a/R",
        ),
        (["main.evaluators = [@InferenceTime, @InferenceTime]"], "names InferenceTime twice"),
        (
            ["main.evaluators = [@KNNClassification]", "KNNClassification.k = 200"],
            "KNNClassification.k is 200, but there are 54 references",
        ),
        (["ShuffledBatches.batch_size = 500"], "batch_size"),
        (["main.select_by = 'validation/top2'"], "validation/top1"),
    ],
)
def test_wrong_wiring_is_refused(shop, tmp_path, bindings, message):
    with pytest.raises(UserError, match=message):
        run(tmp_path, "x", ["configs/transfer.gin"], [*shop.bindings(), *SMALL, *bindings])


def test_an_existing_name_is_refused_before_anything_is_done(transfer, shop):
    before = sorted(path.stat().st_mtime_ns for path in transfer.iterdir())
    with pytest.raises(UserError, match=r"already exists: choose another --name"):
        run(transfer.parent, "transfer", ["configs/transfer.gin"], shop.bindings())
    assert sorted(path.stat().st_mtime_ns for path in transfer.iterdir()) == before


PLUG_IN = '''
import gin
from torch import nn

from fewshot.objectives.objective import Objective


@gin.register
class BrightnessNet(Objective):
    """Predict the mean brightness of an image."""

    def __init__(self, spec, encoder=None, inputs=None):
        super().__init__(spec, encoder, inputs)
        self.brightness = nn.Linear(self.encoder.num_features, 1)

    def forward(self, batch):
        images = self.inputs.normalise(self.augment(batch.images, batch.keys))
        brightness = images.mean(dim=(1, 2, 3))
        return nn.functional.mse_loss(self.brightness(self.encoder(images))[:, 0], brightness), {}
'''
PLUG_IN_CONFIG = """
import brightness_net
include 'configs/schedule/adam_cosine.gin'

main.objective = @BrightnessNet
BrightnessNet.encoder = @SmallResNet
main.evaluators = [@KNNClassification]
KNNClassification.prefix = 'knn_'
main.select_by = 'validation/knn_top1'
"""


def test_a_method_and_its_config_from_anywhere_run_with_no_edit_elsewhere(shop, tmp_path):
    plug_in = tmp_path / "elsewhere"
    plug_in.mkdir()
    (plug_in / "brightness_net.py").write_text(PLUG_IN)
    (plug_in / "brightness.gin").write_text(PLUG_IN_CONFIG)
    folder = run(tmp_path, "plug-in", [str(plug_in / "brightness.gin")], [*shop.bindings(), *SMALL])
    stored = load_model(folder / "model.mdl")
    assert stored.objective == "BrightnessNet"
    assert stored.class_names == ("Bags", "Hats", "Socks")
    assert results(folder)["selected_by"] == "validation/knn_top1"


def test_skipped_rows_are_listed_and_a_resumed_run_keeps_its_origin(shop, tmp_path):
    csv = tmp_path / "photos.csv"
    csv.write_text((shop.root / "train.csv").read_text() + "gone,Bags\ntestBags0,\n")
    data = [f"FashionDataset.csv_file = '{csv}'", "test/FashionDataset.csv_file = None"]
    bindings = [*shop.bindings(), *SMALL, *data]
    folder = run(tmp_path, "skipping", ["configs/transfer.gin"], bindings)
    # a row without a label is no skipped row: a classifier only has no use for it in training
    assert (folder / "skipped.csv").read_text() == "split,id,reason\ntraining,gone,no image\n"
    main(config.resumed_run(str(folder), dry_run=False))
    kept = json.loads((folder / "environment.json").read_text())
    assert len(kept["resumed"]) == 1
    assert results(folder)["config"] == [str(REPOSITORY / "configs" / "transfer.gin")]


def test_test_rows_must_not_be_training_rows(shop, tmp_path):
    leak = [f"test/FashionDataset.csv_file = '{shop.root}/train.csv'"]
    with pytest.raises(UserError, match="ids are in both the training and the test rows"):
        run(tmp_path, "leak", ["configs/transfer.gin"], [*shop.bindings(), *SMALL, *leak])


def test_a_refused_schedule_leaves_no_folder(shop, tmp_path):
    wrong = ["main.schedule_every = 'minute'"]
    with pytest.raises(UserError, match="bind 'step' or 'epoch'"):
        run(tmp_path, "wrong", ["configs/transfer.gin"], [*shop.bindings(), *SMALL, *wrong])
    assert not (tmp_path / "wrong").exists()


@pytest.mark.usefixtures("unpictured")
def test_what_is_bound_and_unused_is_said_at_the_first_start_alone(shop, tmp_path, caplog):
    bindings = [*shop.bindings(), *SMALL, "main.num_epochs = 1", "TripletLoss.margin = 0.5"]
    folder = run(tmp_path, "said", ["configs/transfer.gin"], bindings)
    assert "bound but not used by this run" in caplog.text
    caplog.clear()
    main(config.resumed_run(str(folder), dry_run=False))
    assert "bound but not used by this run" not in caplog.text


def test_a_changed_test_csv_is_refused_on_resume(shop, tmp_path):
    csv = tmp_path / "test.csv"
    csv.write_text((shop.root / "test.csv").read_text())
    data = [f"test/FashionDataset.csv_file = '{csv}'"]
    folder = run(tmp_path, "changing", ["configs/transfer.gin"], [*shop.bindings(), *SMALL, *data])
    csv.write_text("\n".join(csv.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(UserError, match="test CSV or images"):
        main(config.resumed_run(str(folder), dry_run=False))


def test_further_columns_are_learned_reported_and_predicted(shop, tmp_path):
    for split in ("train", "test"):
        table = pd.read_csv(shop.root / f"{split}.csv")
        table["warm"] = table["articleType"].map(dict(zip(COLOURS, ["yes", "no", ""], strict=True)))
        table.to_csv(tmp_path / f"{split}.csv", index=False)
    bindings = [
        *shop.bindings(),
        *SMALL,
        f"FashionDataset.csv_file = '{tmp_path}/train.csv'",
        f"test/FashionDataset.csv_file = '{tmp_path}/test.csv'",
        "TransferNet.auxiliary = {'warm': 0.25}",
    ]
    folder = run(tmp_path, "columns", ["configs/transfer.gin"], bindings)
    found = results(folder)
    predictions = pd.read_csv(folder / "predictions.csv")
    said = predictions["warm"].notna()
    right = (predictions["warm"] == predictions["warm_predicted"])[said].mean()
    assert found["test"]["columns"]["warm"]["n"] == said.sum() == 16
    assert found["test"]["columns"]["warm"]["top1"] == pytest.approx(right)
    assert set(predictions["warm_predicted"]) <= {"yes", "no"}
    assert extras_of(load_model(folder / "model.mdl")).columns == {"warm": ("no", "yes")}
    assert "top1" in found["validation"]["columns"]["warm"]
    assert "Further columns, test split" in (folder / "report.md").read_text()
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert "top1_warm" in next(row for row in rows if row["split"] == "train")
    again = run(
        tmp_path,
        "again",
        ["configs/transfer_evaluate.gin"],
        [*bindings, "main.num_epochs = 0", f"TransferNet.saved_model_path = '{folder}/model.mdl'"],
    )
    assert results(again)["test"]["columns"] == found["test"]["columns"]


def test_a_saved_classifier_predicts_a_wholly_unlabelled_csv(transfer, shop, tmp_path):
    for split in ("train", "test"):
        pd.read_csv(shop.root / f"{split}.csv")[["id"]].to_csv(tmp_path / f"{split}.csv")
    bindings = [
        *shop.bindings(),
        f"FashionDataset.csv_file = '{tmp_path}/train.csv'",
        f"test/FashionDataset.csv_file = '{tmp_path}/test.csv'",
        "FashionDataset.label_column = None",
        f"TransferNet.saved_model_path = '{transfer}/model.mdl'",
    ]
    folder = run(tmp_path, "predicted", ["configs/transfer_evaluate.gin"], bindings)
    found, before = (pd.read_csv(path / "predictions.csv") for path in (folder, transfer))
    assert found["id"].tolist() == before["id"].tolist()
    assert found["label"].isna().all()
    assert found["class_1"].tolist() == before["class_1"].tolist()
    assert results(folder)["test"]["n_unlabelled"] == 24


@pytest.mark.parametrize(
    ("config", "bindings", "told"),
    [
        (
            "transfer",
            ["main.select_by = 'validation/f1'"],
            "f1', which no evaluator reports: bind .* validation/top1, or 'last'",
        ),
        (
            "transfer",
            ["main.select_by = 'validation/top5'"],
            "is 'validation/top5', which",
        ),
        ("transfer", ["main.select_by = 'valid/top1'"], "is 'valid/top1', which"),
        ("transfer", ["main.select_by = 'train_evaluated/top1'"], "_evaluated/top1', which"),
        ("rotation", ["main.select_by = 'validation/top1'"], "/knn_top1, .*/rotation_top1"),
        ("transfer", ["main.evaluators = [@Reconstructions]"], "TransferNet rebuilds no images"),
        ("transfer", ["main.evaluators = [@PretextTask]"], "TransferNet has no pretext task"),
        (
            "rotation",
            ["main.evaluators = [@Classification]"],
            "gives embeddings but no class scores",
        ),
    ],
)
@pytest.mark.parametrize("dry_run", [True, False])
def test_what_no_evaluator_can_give_is_refused_before_training(
    config, bindings, told, dry_run, shop, tmp_path
):
    small = [*shop.bindings(), *SMALL, *bindings]
    with pytest.raises(UserError, match=told):
        run(tmp_path, "refused", [f"configs/{config}.gin"], small, dry_run)
    assert not (tmp_path / "refused").exists()


@pytest.mark.usefixtures("unpictured")
@pytest.mark.parametrize(
    "figure", ["validation/seen/top1", "validation/loss", "train/top1", "last"]
)
def test_figures_that_are_reported_choose_the_model(figure, shop, tmp_path):
    small = [*shop.bindings(), *SMALL, f"main.select_by = '{figure}'", "main.num_epochs = 1"]
    assert results(run(tmp_path, "x", ["configs/transfer.gin"], small))["selected_by"] == figure


def test_an_encoder_from_a_second_config_leaves_nothing_unused(shop, tmp_path, caplog):
    caplog.set_level("INFO", logger="fewshot")
    small = [
        *shop.bindings(),
        "TorchvisionEncoder.name = 'resnet18'",
        "TorchvisionEncoder.weights = None",
        "FashionDataset.image_size = (40, 40)",
        "Inputs.size = (32, 32)",
        "RandomResizedCrop.size = (32, 32)",
        "ShuffledBatches.batch_size = 8",
    ]
    configs = ["configs/transfer.gin", "configs/encoder/resnet50_imagenet.gin"]
    run(tmp_path, "dry", configs, small, dry_run=True)
    assert "encoder    TorchvisionEncoder" in caplog.text
    assert "not used" not in caplog.text


def test_a_folder_that_goes_while_its_report_is_made_is_no_finished_run(
    shop, tmp_path, monkeypatch
):
    def looked_at(found):
        assert (tmp_path / "gone" / "results.json").is_file(), "figures come first"
        return found

    def gone(folder, found):
        folder.rename(folder.with_name("away"))

    monkeypatch.setattr(sys.modules["fewshot.main"], "with_images", looked_at)

    monkeypatch.setattr(sys.modules["fewshot.main"], "present", gone)
    small = [*shop.bindings(), *SMALL, "main.num_epochs = 1"]
    with pytest.raises(UserError, match="gone was removed or renamed while the run wrote to it"):
        run(tmp_path, "gone", ["configs/transfer.gin"], small)
