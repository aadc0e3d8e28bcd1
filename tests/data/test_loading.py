"""Which rows a run trains on and is tested on, from what is bound."""

import json

import gin
import pandas as pd
import pytest
from PIL import Image

from fewshot.binding import config
from fewshot.data.loading import load_data
from fewshot.data.twins import DropTwins
from fewshot.errors import UserError
from fewshot.main import main
from fewshot.models.model_file import load_model

SMALL = [
    "SmallResNet.widths = (8,)",
    "SmallResNet.stem_pool = False",
    "ShuffledBatches.batch_size = 16",
    "Hardware.precision = '32-true'",
    "main.num_epochs = 1",
    "main.test_rows = @DropTwins",
]


@pytest.fixture
def leaky(shop, tmp_path):
    """The bindings of the shop, two of whose test photos have a twin in training."""
    test = pd.read_csv(shop.root / "test.csv")
    for twin, of in (("leak1", "trainBags0"), ("leak2", "trainHats7")):
        path = shop.root / "images" / f"{twin}.png"
        with Image.open(shop.root / "images" / f"{of}.jpg") as image:
            image.save(path)
        test.loc[len(test)] = [twin, "Socks"]
    test.to_csv(tmp_path / "test.csv", index=False)
    return [*shop.bindings(), f"test/FashionDataset.csv_file = '{tmp_path}/test.csv'"]


def run(output, bindings, name="run", dry_run=False):
    request = config.new_run(
        ["configs/transfer.gin"], [*SMALL, *bindings], name, str(output), dry_run
    )
    main(request)
    return request.folder


def test_a_run_can_leave_out_the_test_images_it_was_trained_on(leaky, tmp_path, caplog):
    with caplog.at_level("INFO", logger="fewshot"):
        folder = run(tmp_path, leaky)
    assert "main.test_rows leaves out 2 of 26 test rows" in caplog.text
    found = json.loads((folder / "results.json").read_text())
    assert found["test"]["dropped"] == 2
    assert found["test"]["n"] == 24
    assert "dropped" not in found["validation"]
    ids = pd.read_csv(folder / "predictions.csv", dtype=str)["id"]
    assert len(ids) == 24
    assert not ids.str.startswith("leak").any()


@pytest.mark.usefixtures("unpictured")
def test_test_images_that_a_saved_model_was_trained_on_are_counted(leaky, tmp_path, caplog):
    all_rows = [*leaky, "main.validation_fraction = 0.0", "main.test_rows = None"]
    model = run(tmp_path, all_rows, "first") / "model.mdl"
    assert "trained_on" not in json.loads((model.parent / "results.json").read_text())["test"]
    saved = [f"TransferNet.saved_model_path = '{model}'", "TransferNet.encoder = None"]
    with caplog.at_level("WARNING", logger="fewshot"):
        again = run(tmp_path, [*all_rows, *saved, "main.num_epochs = 0"], "again")
    assert (
        "2 of 26 test images are among those that the saved model was trained on, and flatter it: "
        "bind test/FashionDataset.csv_file to other images."
    ) in caplog.text
    assert json.loads((again / "results.json").read_text())["test"]["trained_on"] == 2
    # a model that went on from it has learned from all that it has
    few = ["main.train_rows = @SelectRows", "SelectRows.per_class = 8"]
    third = run(tmp_path, [*all_rows, *saved, *few], "third")
    first_images = load_model(model).trained_images.tolist()
    assert load_model(third / "model.mdl").trained_images.tolist() == first_images
    assert len(first_images) == len(set(first_images)) > 3


def test_the_test_rows_do_not_depend_on_which_training_rows_are_selected(leaky):
    found = []
    for per_class, seed in ((8, 0), (2, 1), (24, 2)):
        config.load([], [*leaky, f"SelectRows.per_class = {per_class}"])
        data = load_data(gin.get_configurable("SelectRows"), 0.25, seed, DropTwins)
        assert data.dropped == 2
        found.append(data.test.ids.tolist())
    assert len(found[0]) == 24
    assert found[0] == found[1] == found[2]


def test_without_test_rows_nothing_is_left_out_or_said(leaky, caplog):
    config.load([], leaky)
    with caplog.at_level("INFO", logger="fewshot"):
        data = load_data(None, 0.25, 0)
    assert len(data.test) == 26
    assert data.facts().metrics == {}
    assert "leaves out" not in caplog.text


def test_a_dry_run_decodes_no_split_to_look_for_twins(leaky, tmp_path, caplog):
    with caplog.at_level("INFO", logger="fewshot"):
        run(tmp_path, leaky, dry_run=True)
    assert "leaves out" not in caplog.text
    assert "test           26 images" in caplog.text


@pytest.fixture
def mixed(shop, tmp_path):
    """The bindings of the shop with every second training label left out."""
    lines = (shop.root / "train.csv").read_text().splitlines()
    rows = [line if i % 2 else line.partition(",")[0] + "," for i, line in enumerate(lines[1:])]
    (tmp_path / "mixed.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    return [
        *shop.bindings(),
        f"FashionDataset.csv_file = '{tmp_path}/mixed.csv'",
        f"test/FashionDataset.csv_file = '{shop.root}/test.csv'",
    ]


def test_rows_without_a_label_are_left_out_where_a_label_is_needed_and_only_there(mixed, caplog):
    config.load([], mixed)
    with caplog.at_level("INFO", logger="fewshot"):
        data = load_data(None, 0.25, 0, needs_labels=True)
    assert (data.train.labels >= 0).all() and (data.validation.labels >= 0).all()
    assert len(data.train) + len(data.validation) == 36
    assert (
        "left out 36 of 72 training rows, which have no label, as this objective needs one"
        in caplog.text
    )
    data = load_data(None, 0.25, 0)
    assert len(data.train) + len(data.validation) == 72
    assert (data.train.labels < 0).sum() == 27
    assert data.train.class_names == ("Bags", "Hats", "Socks")
    assert data.skipped().empty


def test_a_classifier_trains_on_the_labelled_rows_of_a_mixed_csv(mixed, tmp_path):
    folder = run(tmp_path, [*mixed, "main.test_rows = None"])
    assert pd.read_csv(folder / "per_class.csv")["n_train"].sum() == 36 - 4  # validation: 4


def test_a_mixed_csv_trains_without_labels_and_its_labelled_rows_probe(mixed, tmp_path):
    request = config.new_run(
        ["configs/rotation.gin"],
        [*SMALL, *mixed, "main.test_rows = None"],
        "r",
        str(tmp_path),
        False,
    )
    main(request)
    found = json.loads((request.folder / "results.json").read_text())
    assert found["status"] == "completed"
    assert found["test"]["knn_top1"] > 0.5


def test_a_training_csv_without_the_label_column_says_what_to_bind(shop, tmp_path):
    (tmp_path / "train.csv").write_text("id,kind\ntrainBags0,Bags\ntrainHats0,Hats\n")
    config.load([], [*shop.bindings(), f"FashionDataset.csv_file = '{tmp_path}/train.csv'"])
    with pytest.raises(UserError) as caught:
        load_data(None, 0.0, 0)
    assert str(caught.value) == (
        "train.csv has no label column 'articleType'; the columns are: id, kind. Bind "
        "FashionDataset.label_column to the one that names what each image shows, or to None if "
        "none does, for training without labels."
    )


def test_a_test_csv_without_the_label_column_beside_the_training_csv_is_taken(shop, tmp_path):
    (tmp_path / "train.csv").write_text((shop.root / "train.csv").read_text())
    (tmp_path / "test.csv").write_text("id\ntestBags0\ntestHats0\n")
    bindings = [b for b in shop.bindings() if not b.startswith("test/")]
    config.load([], [*bindings, f"FashionDataset.csv_file = '{tmp_path}/train.csv'"])
    data = load_data(None, 0.0, 0)
    assert data.test.ids.tolist() == ["testBags0", "testHats0"]
    assert data.test.labels.tolist() == [-1, -1]


def test_the_same_ids_are_held_out_of_a_shuffled_csv(shop, tmp_path):
    header, *rows = (shop.root / "train.csv").read_text().splitlines()
    held_out = []
    for name, listed in (("straight", rows), ("shuffled", rows[::-1])):
        (tmp_path / f"{name}.csv").write_text("\n".join([header, *listed]) + "\n")
        config.load([], [*shop.bindings(), f"FashionDataset.csv_file = '{tmp_path}/{name}.csv'"])
        held_out.append(set(load_data(None, 0.25, 0).validation.ids.tolist()))
    assert held_out[0] == held_out[1] and len(held_out[0]) == 18


@pytest.mark.parametrize("column", ["bare", "blank"])
def test_pictures_whose_class_nobody_knows_are_predicted_and_score_nothing(shop, tmp_path, column):
    ids = [line.partition(",")[0] for line in (shop.root / "test.csv").read_text().splitlines()[1:]]
    lines = ["id", *ids] if column == "bare" else ["id,articleType", *(f"{i}," for i in ids)]
    (tmp_path / "test.csv").write_text("\n".join(lines) + "\n")
    unknown = [*shop.bindings(), f"test/FashionDataset.csv_file = '{tmp_path}/test.csv'"]
    folder = run(tmp_path, [*unknown, "main.test_rows = None"])
    predictions = pd.read_csv(folder / "predictions.csv", dtype=str, keep_default_na=False)
    assert predictions["id"].tolist() == ids
    assert set(predictions["label"]) == {""}
    assert set(predictions["class_1"]) <= {"Bags", "Hats", "Socks"}
    found = json.loads((folder / "results.json").read_text())
    assert "top1" not in found["test"] and "top1" in found["validation"]
    assert not (folder / "per_class.csv").exists()
