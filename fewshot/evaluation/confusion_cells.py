"""The cells of a confusion matrix with images that fell there."""

import numpy as np
import pandas as pd

from fewshot.evaluation.classification_metrics import Classified
from fewshot.evaluation.thumbnails import Sheet
from fewshot.sections import Images, Matrix, Picture

_IN_A_CELL = {False: 60, True: 24}  # images at most, by whether they are right


def confusion_cells(found: Classified, split: str, prefix: str, sheet: Sheet) -> Matrix:
    """Every cell with its surest images as far as thumbnails go: one of each cell, then two."""
    confusions = found.confusions()
    names = np.asarray(found.classes, dtype=object)
    counts = pd.DataFrame(
        {
            "true class": names[confusions.true],
            "taken for": names[confusions.predicted],
            "images": confusions.counts,
        }
    )
    rows = np.flatnonzero(found.known)
    cells = pd.DataFrame(
        {
            "row": rows,
            "true": found.truth[rows],
            "predicted": found.best[rows, 0],
            "sureness": found.sureness[rows],
        }
    ).sort_values("sureness", ascending=False, kind="stable")
    cells["place"] = cells.groupby(["true", "predicted"]).cumcount()
    cells["right"] = cells["true"] == cells["predicted"]
    # mistakes before what is right, and one image of every cell before the second of any
    order = cells[cells["place"] < cells["right"].map(_IN_A_CELL)].sort_values(
        ["place", "right"], kind="stable"
    )
    tiles = sheet.tiles(split, order["row"])
    shown = pd.DataFrame(
        {
            "true class": names[order["true"]],
            "taken for": names[order["predicted"]],
            "id": found.ids[order["row"]].astype(str),
            "caption": [f"{found.sureness_name} {sure:.4f}" for sure in order["sureness"]],
            "tile": pd.array(tiles, dtype="Int64"),
        }
    ).dropna(subset="tile")
    name = f"{prefix}confusion_matrix"
    return Matrix(
        f"tables/{name}.csv",
        counts,
        Images(f"tables/{name}_images.csv", shown, sheet.thumbnails),
        Picture(f"{name}.png", "Confusion matrix"),
    )
