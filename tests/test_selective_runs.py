"""A whole run on the little shop that learns what it had better not answer."""

import json

import pandas as pd
import torch

from fewshot.data.dataset import FashionDataset
from fewshot.heads.probabilities import probabilities
from fewshot.models.extras import extras_of
from fewshot.models.load import load
from tests.test_main import run


def test_the_threshold_of_a_run_is_in_its_model_and_gives_its_figures(shop, tmp_path):
    """Socks are in the test split alone."""
    table = pd.read_csv(shop.root / "train.csv", dtype=str)
    table[table["articleType"] != "Socks"].to_csv(tmp_path / "known.csv", index=False)
    folder = run(
        tmp_path,
        "known",
        ["configs/transfer.gin"],
        [
            *shop.bindings(),
            f"FashionDataset.csv_file = '{tmp_path}/known.csv'",
            *(
                "SmallResNet.widths = (8, 16)",
                "main.num_epochs = 2",
                "Hardware.precision = '32-true'",
            ),
            *("ShuffledBatches.batch_size = 8", "main.validation_fraction = 0.5"),
            "SelectiveClassification.precision = 0.45",  # two epochs make no good model
        ],
    )
    figures = json.loads((folder / "results.json").read_text())
    validation, test = (figures[split]["selective"] for split in ("validation", "test"))
    model = load(folder / "model.mdl")
    extras = extras_of(model.stored)
    assert (extras.threshold, extras.temperature) == (
        validation["threshold"],
        validation["temperature"],
    )
    assert test["n_unknown"] == 8
    data = FashionDataset(
        csv_file=str(shop.root / "test.csv"), root_dir=str(shop.root), importer=None,
        cache_dir=str(shop.root / "cache"), image_size=(16, 16), channels=3,
    )  # fmt: skip
    with torch.inference_mode():
        scores = model.scores(data.images(torch.arange(len(data)).numpy()))
    confidence = probabilities(scores, extras.temperature).amax(1)
    assert float((confidence >= extras.threshold).double().mean()) == test["answered"]
    report = (folder / "report.md").read_text()
    assert 'Confidence and "unknown"' in report
    assert (folder / "risk_coverage.png").is_file()
    assert (folder / "reliability.png").is_file()
