"""Pretext pretraining from the configs as they stand, on the little shop, and what follows it."""

import json

import pytest

from fewshot.errors import UserError
from tests.test_main import results, run

TINY = [
    "SmallResNet.widths = (8,)",
    "ShuffledBatches.batch_size = 16",
    "Hardware.precision = '32-true'",
    "main.num_epochs = 1",
    "main.validation_fraction = 0.25",
    "SelectRows.fraction = 1.0",
    "Reconstructions.n_images = 4",
]
C = "configs/fashion_mnist/pretext"


@pytest.mark.parametrize(
    ("name", "figures"),
    [
        ("rotation", {"rotation_top1", "rotation_loss"}),
        ("exemplar", set()),
        ("autoencoder", {"reconstruction_loss"}),
        ("simclr", set()),
        ("vicreg", set()),
    ],
)
def test_pretraining_logs_a_probe_of_the_features(name, figures, shop, tmp_path):
    folder = run(tmp_path, name, [f"configs/{name}.gin"], [*shop.bindings(), *TINY])
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    validation = [row for row in rows if row["split"] == "validation"]
    assert len(validation) == 1
    assert {"knn_top1", *figures} <= validation[0].keys()
    found = results(folder)
    assert found["selected_by"] == "validation/knn_top1"
    assert {"knn_top1", *figures} <= found["test"].keys()
    assert (folder / "reconstructions.png").is_file() == (name == "autoencoder")


@pytest.mark.parametrize("name", ["rotation", "exemplar", "autoencoder", "simclr", "vicreg"])
def test_pretraining_needs_no_labels(name, shop, tmp_path):
    configs = [f"configs/{name}.gin", "configs/probe/none.gin"]
    unlabelled = [*shop.bindings(), *TINY, "FashionDataset.label_column = None"]
    folder = run(tmp_path, name, configs, unlabelled)
    assert results(folder)["selected_by"] == "last"
    assert (folder / "model.mdl").is_file()


def test_a_probe_that_asks_for_labels_is_refused_before_training(shop, tmp_path):
    unlabelled = [*shop.bindings(), *TINY, "FashionDataset.label_column = None"]
    with pytest.raises(UserError, match=r"KNNClassification compares .*-c configs/probe/none\.gin"):
        run(tmp_path, "asks", ["configs/rotation.gin"], unlabelled)
    assert not (tmp_path / "asks").exists()


@pytest.mark.usefixtures("unpictured")
def test_probes_leave_the_encoder_alone(shop, tmp_path):
    bindings = [*shop.bindings(), *TINY, "Trainer.keep_every = 1"]
    folder = run(tmp_path, "pretext", ["configs/rotation.gin"], bindings)
    path = f"TransferNet.saved_model_path = '{folder}/checkpoints/epoch_001.mdl'"
    longer = ["main.num_epochs = 20"]
    linear = run(tmp_path, "linear", ["configs/linear_probe.gin"], [*bindings, path, *longer])
    still = ["main.num_epochs = 0"]
    nearest = run(tmp_path, "nearest", ["configs/knn_probe.gin"], [*bindings, path, *still])
    assert results(linear)["test"]["top1"] >= 0.6
    assert results(nearest)["test"]["knn_top1"] == results(folder)["test"]["knn_top1"]
    # the probe's own model, whose encoder has not moved, gives the same neighbours
    path = f"TransferNet.saved_model_path = '{linear}/model.mdl'"
    again = run(
        tmp_path, "again", ["configs/knn_probe.gin"], [*bindings, path, "main.num_epochs=0"]
    )
    assert results(again)["test"]["knn_top1"] == results(nearest)["test"]["knn_top1"]


@pytest.mark.usefixtures("unpictured")
def test_another_encoder_than_the_models_is_refused(shop, tmp_path):
    folder = run(tmp_path, "pretext", ["configs/rotation.gin"], [*shop.bindings(), *TINY])
    bindings = [
        f"TransferNet.saved_model_path = '{folder}/model.mdl'",
        "TransferNet.encoder = @CifarNet",
    ]
    with pytest.raises(UserError, match=r"TransferNet\.encoder is CifarNet.*holds SmallResNet"):
        run(tmp_path, "x", ["configs/finetune.gin"], [*shop.bindings(), *TINY, *bindings])


CHAINS = [
    (f"{C}/rotation_lr1e-3.gin", f"{C}/finetune_lr1e-3.gin", "TwoLayerClassifier"),
    (f"{C}/exemplar_lr1e-2.gin", f"{C}/finetune_6000_lr1e-3.gin", "TwoLayerClassifier"),
    (f"{C}/autoencoder_lr1e-3.gin", f"{C}/finetune_code_lr1e-4.gin", "IdentityClassifier"),
    (f"{C}/supervised_lr1e-3.gin", f"{C}/finetune_lr1e-4.gin", "TwoLayerClassifier"),
    ("configs/cats_dogs/pretext.gin", "configs/cats_dogs/frozen_half.gin", "ThreeLayerClassifier"),
    ("configs/rotnet/pretrain.gin", "configs/rotnet/transfer_frozen.gin", "LinearClassifier"),
    ("configs/rotnet/short/pretrain.gin", "configs/rotnet/short/transfer.gin", "LinearClassifier"),
]


@pytest.mark.parametrize(("first", "second", "classifier"), CHAINS)
@pytest.mark.usefixtures("unpictured")
def test_two_stages_fit_together(first, second, classifier, shop, tmp_path):
    from fewshot.models.model_file import load_model

    small = [
        *shop.bindings(),
        *TINY,
        "FashionDataset.image_size = (40, 32)",
        "Inputs.size = (32, 32)",
        "RandomResizedCrop.size = None",
        "CifarNet.code_size = 3" if "auto" in first else "EfficientNetB0.block_num = 0",
        "EfficientNetB0.no_head = True",
        "main.select_by = 'last'",
    ]
    if "rotnet" in first:
        small.append(f"validation/FashionDataset.csv_file = '{shop.root}/test.csv'")
    folder = run(tmp_path, "first", [first], small)
    path = f"TransferNet.saved_model_path = '{folder}/model.mdl'"
    stored = load_model(run(tmp_path, "second", [second], [*small, path]) / "model.mdl")
    assert stored.classifier.name == classifier
    assert stored.inputs.size == (32, 32)


@pytest.mark.parametrize(
    "option", ["label_smoothing", "cutmix", "ranger_lars", "cyclic", "plateau"]
)
@pytest.mark.usefixtures("unpictured")
def test_training_options_build_and_run(option, shop, tmp_path):
    small = [
        *shop.bindings(),
        *TINY,
        "FashionDataset.image_size = (32, 32)",
        "Inputs.size = (32, 32)",
        "RandomResizedCrop.size = None",
        "EfficientNetB0.block_num = 0",
        f"validation/FashionDataset.csv_file = '{shop.root}/test.csv'",
    ]
    if option != "plateau":  # which follows validation accuracy
        small.append("main.evaluators = []")
    found = results(run(tmp_path, option, [f"configs/rotnet/{option}.gin"], small))
    assert found["status"] == "completed"
