"""What a finished run adds to its curves."""

from collections.abc import Mapping
from typing import Any

from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.training.tracking import MetricsLog


def log_final(folder: ExperimentFolder, contents: Mapping[str, Any]) -> None:
    """The test figures of results.json as the one point they are in every curve."""
    log = MetricsLog(folder)
    rows = log.rows()
    if contents["epochs"] and rows and "test" in contents:
        last = rows[-1]
        log.record("test", contents["best_epoch"], last["step"], last["seconds"], contents["test"])
    log.close()


def log_pictures(folder: ExperimentFolder) -> None:
    """The folder's pictures in TensorBoard, where there was training."""
    log = MetricsLog(folder)
    rows = log.rows()
    # a hidden one is what a killed process left of a picture
    for picture in sorted(folder.path.glob("[!.]*.png")) if rows else ():
        log.add_image(picture.stem, picture, rows[-1]["step"])
    log.close()
