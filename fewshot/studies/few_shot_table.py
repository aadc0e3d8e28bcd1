"""The figures of many few-shot runs as tables: means, their intervals, differences in pairs."""

import numpy as np
import pandas as pd

from fewshot.evaluation.intervals import over_runs

NOTE = (
    "mean is over the n_runs, of splits and seeds; a row with fewer runs than others is of other "
    "splits or seeds than those, and cannot be held against them. Three different 95 % intervals, "
    "each a half width: ci95_episodes over the episodes of one run (the mean of the runs' own), "
    "ci95_seeds over seeds (each seed's mean over splits), ci95_splits over splits (each split's "
    "mean over seeds). difference is to the first encoder under the same head, run by run of the "
    "same split and seed; difference_ci95 is over splits where there are several, else over seeds."
)
_ROW = ["kind", "setting", "encoder", "head"]


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each kind, setting, encoder and head, in the order of the runs.

    The columns mean what NOTE says; an interval of a single seed or split is nan.
    """
    rows = []
    first = found[found["encoder"] == found["encoder"].iloc[0]]
    several = found["encoder"].nunique() > 1
    for key, runs in found.groupby(_ROW, sort=False):
        over = {
            by: runs.groupby(by, sort=False)["mean"].mean().to_numpy() for by in ("seed", "split")
        }
        rows.append(
            dict(zip(_ROW, key, strict=True))
            | {
                "mean": float(over["split"].mean()),
                "ci95_episodes": float(runs["ci95"].astype(float).mean()),
                "ci95_seeds": over_runs(over["seed"])[2],
                "ci95_splits": over_runs(over["split"])[2],
            }
            | (difference(runs, first) if several else {})
            | {
                "n_episodes": int(runs["n"].iloc[0]),
                "n_runs": len(runs),
                "n_seeds": len(over["seed"]),
                "n_splits": len(over["split"]),
            }
        )
    return pd.DataFrame(rows)


def difference(runs: pd.DataFrame, first: pd.DataFrame) -> dict[str, float]:
    """How much better the runs are than the first encoder's of the same head, split and seed."""
    pairs = runs.merge(first, on=["kind", "setting", "head", "split", "seed"])
    pairs = pairs[pairs["encoder_x"] != pairs["encoder_y"]]
    if pairs.empty:
        return {"difference": np.nan, "difference_ci95": np.nan}
    by = "split" if pairs["split"].nunique() > 1 else "seed"
    gains = (pairs["mean_x"] - pairs["mean_y"]).groupby(pairs[by]).mean().to_numpy()
    mean, _, half = over_runs(gains)
    return {"difference": mean, "difference_ci95": half}


def tables(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """{heading: rows of one kind of head and one setting}: kinds are never in one table."""
    found = {}
    for (kind, setting), part in table.groupby(["kind", "setting"], sort=False):
        spelt = str(setting).replace("way_", "-way ").replace("shot", "-shot")
        found[f"{spelt}, {kind} heads"] = part.drop(columns=["kind", "setting"])
    return found
