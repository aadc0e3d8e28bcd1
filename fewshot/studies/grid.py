"""One experiment with every combination of some bindings' values, over seeds.

`python -m fewshot study grid A.gin --vary torch.optim.Adam.lr 1e-3 1e-2 --vary main.num_epochs 5 9`
"""

import argparse
import hashlib
import itertools
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.console import show
from fewshot.errors import UserError
from fewshot.evaluation.intervals import over_runs
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.reports.tables import console, markdown
from fewshot.spreadsheet import write_csv
from fewshot.studies.arguments import options_of
from fewshot.studies.engines.engine import build_engine
from fewshot.studies.plan import PlannedRun
from fewshot.studies.runs import figure, is_completed

_LONGEST = 120


def point_name(point: dict[str, str]) -> str:
    """What tells a point from the others, as a part of a folder's name."""
    parts = (f"{name.rpartition('.')[2]}={value}" for name, value in point.items())
    name = re.sub(r"[^\w.=,@+-]+", "_", ",".join(parts))
    # short names may be the same where long ones are not
    key = hashlib.blake2b(repr(point).encode(), digest_size=3).hexdigest()
    return f"{name[:_LONGEST]}-{key}"


def planned(
    config: str, also: Sequence[str], vary: Sequence[Sequence[str]],
    bindings: Sequence[str], seeds: Sequence[int],
) -> list[PlannedRun]:  # fmt: skip
    """A run a point and seed; vary: a binding's name, then its values as they are bound.

    Raises UserError for a name without values or named twice, and for one seed named twice.
    """
    names = [name for name, *_ in vary]
    for what, given in (("--vary", names), ("--seeds", [str(seed) for seed in seeds])):
        if len(set(given)) < len(given):
            raise UserError(f"{what} names one twice: {', '.join(given)}.")
    for name, *values in vary:
        if not values:
            raise UserError(f"--vary {name} has no value: write --vary {name} VALUE VALUE ...")
    runs = []
    for chosen in itertools.product(*(values for _, *values in vary)):
        point = dict(zip(names, chosen, strict=True))
        bound = [*bindings, *(f"{name} = {value}" for name, value in point.items())]
        for seed in seeds:
            runs.append(
                PlannedRun(
                    f"{point_name(point)}-seed{seed}",
                    [config, *also],
                    [*bound, f"main.seed = {seed}"],
                    columns=point | {"seed": str(seed)},
                )
            )
    return runs


def table(runs: Sequence[PlannedRun], place: Path, chosen_by: str, told: str) -> pd.DataFrame:
    """A row a point, the best by the figure `chosen_by` first, nan where no run is completed."""
    points: dict[str, list[PlannedRun]] = {}
    for run in runs:
        points.setdefault(run.name.rpartition("-seed")[0], []).append(run)
    rows = []
    for same in points.values():
        folders = [ExperimentFolder(run.parent(place) / run.name) for run in same]
        done = [folder for folder in folders if is_completed(folder)]
        row: dict[str, object] = {k: v for k, v in same[0].columns.items() if k != "seed"}
        for name in dict.fromkeys((chosen_by, told)):
            values = np.array([figure(folder, name) for folder in done])
            mean, _, half = over_runs(values) if len(values) else (np.nan, np.nan, np.nan)
            row |= {name: mean, f"{name} ci95": half}
        rows.append(row | {"n": len(done)})
    found = pd.DataFrame(rows)
    rising = chosen_by.endswith("loss")
    return found.sort_values(chosen_by, ascending=rising, kind="stable", ignore_index=True)


def tell(
    runs: Sequence[PlannedRun], place: Path, given: argparse.Namespace, failed: Sequence[str]
) -> None:
    """Write and print the table; raises UserError where some runs were not completed."""
    found = table(runs, place, given.figure, given.told)
    place.mkdir(parents=True, exist_ok=True)
    write_csv(found, place / "table.csv")
    text = f"chosen by {given.figure}, the best first"
    (place / "table.md").write_text(f"{text}\n\n{markdown(found)}\n", encoding="utf-8")
    show(f"{text}\n\n{console(found)}\n\neverything is in {place}")
    if failed:
        raise UserError(f"not completed, for the reasons above: {', '.join(failed)}.")


def run_study(given: argparse.Namespace) -> None:
    """Complete every run, then tell of them."""
    runs = planned(given.experiment, given.config, given.vary, given.parameter, given.seeds)
    name = given.name or f"grid-{Path(given.experiment).stem}"
    place = Path(given.output_dir).expanduser().absolute() / name
    failed = build_engine(given.engine, options_of(given)).complete(runs, place)
    tell(runs, place, given, failed)


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "grid", *sys.argv[1:]]))
