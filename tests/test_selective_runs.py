"""A whole run on the little shop that learns what it had better not answer."""

import json

import gin
import pandas as pd
import pytest

import fewshot
from tests.test_main import run


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_threshold_of_a_run_is_in_its_model_and_gives_its_figures(shop, tmp_path, mirrored):
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
            f"Classification.mirrored = {mirrored}",
        ],
    )
    figures = json.loads((folder / "results.json").read_text())
    validation, test = (figures[split]["selective"] for split in ("validation", "test"))
    gin.clear_config()
    model = fewshot.load(folder / "model.mdl")
    extras = model.extras
    assert (extras.threshold, extras.temperature) == (
        validation["threshold"],
        validation["temperature"],
    )
    assert test["n_unknown"] == 8
    found = model.predict([shop.root / "images" / f"{i}.jpg" for i in ids_of_test_rows(shop)])
    assert float((found["answer"] != "unknown").mean()) == test["answered"]
    assert ((found["score_1"] >= extras.threshold) == (found["answer"] != "unknown")).all()
    report = (folder / "report.md").read_text()
    assert 'Confidence and "unknown"' in report
    assert (folder / "risk_coverage.png").is_file()
    drawn = (folder / "reliability.png").is_file()
    assert drawn == ("reliability.png" in report)
    assert drawn or report.count("one bar is not drawn") == 2  # two epochs are all alike unsure


def ids_of_test_rows(shop):
    return pd.read_csv(shop.root / "test.csv", dtype=str)["id"]
