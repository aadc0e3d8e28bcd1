"""One experiment with every combination of some bindings' values, over seeds.

`python -m fewshot study grid A.gin --vary torch.optim.Adam.lr 1e-3 1e-2 --vary main.num_epochs 5 9`
"""

import argparse
import hashlib
import itertools
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.console import show
from fewshot.errors import UserError
from fewshot.evaluation.intervals import over_runs
from fewshot.reports.tables import console, markdown
from fewshot.studies.arguments import refuse_seed, study_folder
from fewshot.studies.completing import complete_and_tell
from fewshot.studies.figures import figure
from fewshot.studies.finished import Finished
from fewshot.studies.plan import PlannedRun
from fewshot.studies.report_files import write_table, write_text

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


def table(
    planned: Sequence[PlannedRun], found: Finished, chosen_by: str, told: str
) -> pd.DataFrame:
    """A row a point, the best by the figure `chosen_by` first, nan where no run is completed."""
    names = list(dict.fromkeys((chosen_by, told)))
    reached = found.read(lambda _, folder: [figure(folder, name) for name in names])
    points: dict[str, list[PlannedRun]] = {}
    for run in planned:
        points.setdefault(run.name.rpartition("-seed")[0], []).append(run)
    rows = []
    for same in points.values():
        done = np.array([reached[run.name] for run in same if run.name in reached])
        row: dict[str, object] = {k: v for k, v in same[0].columns.items() if k != "seed"}
        for place, name in enumerate(names):
            mean, _, half = over_runs(done[:, place]) if len(done) else (np.nan,) * 3
            row |= {name: mean, f"{name} ci95": half}
        rows.append(row | {"n": len(done)})
    frame = pd.DataFrame(rows)
    rising = chosen_by.endswith("loss")
    return frame.sort_values(chosen_by, ascending=rising, kind="stable", ignore_index=True)


def tell(given: argparse.Namespace, planned: Sequence[PlannedRun], found: Finished) -> None:
    """Write and print the table of the planned runs, as far as they are completed."""
    best_first = table(planned, found, given.figure, given.told)
    text = f"chosen by {given.figure}, the best first"
    write_table(found.place / "table.csv", best_first)
    write_text(found.place / "table.md", f"{text}\n\n{markdown(best_first)}\n")
    show(f"{text}\n\n{console(best_first)}\n\neverything is in {found.place}")


def run_study(given: argparse.Namespace) -> None:
    """Complete every run, then tell of them; raises UserError where some were not completed."""
    bound = [*given.parameter, *(name for name, *_ in given.vary)]
    refuse_seed(bound, given.config, "--seeds")
    runs = planned(given.experiment, given.config, given.vary, given.parameter, given.seeds)
    place = study_folder(given, f"grid-{Path(given.experiment).stem}")
    complete_and_tell(given, runs, place, partial(tell, given, runs))


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "grid", *sys.argv[1:]]))
