"""The same experiment with several seeds: mean, spread, and differences between experiments.

`python -m fewshot study seeds A.gin B.gin --seeds 0 1 2 3 4`. `A1.gin:A2.gin` is one experiment
of two runs, the second starting from the model of the first. Differences are taken seed by seed
against the first experiment. The same command again goes on where it was interrupted.
"""

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fewshot.binding.locating import find_config
from fewshot.console import show
from fewshot.errors import UserError
from fewshot.evaluation.intervals import Values, over_runs
from fewshot.reports.tables import console, markdown
from fewshot.studies.arguments import refuse_seed, study_folder
from fewshot.studies.completing import complete_and_tell
from fewshot.studies.figures import figure
from fewshot.studies.finished import Finished
from fewshot.studies.plan import PlannedRun
from fewshot.studies.report_files import write_table, write_text

_SEED = "seed"  # a column of the table beside those of the experiments


@dataclass(frozen=True)
class Arm:
    """One experiment of a study: configs run one after the other, each from the model before."""

    name: str
    configs: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Arm":
        """From `A.gin` or `A.gin:B.gin`, named by the files' stems."""
        configs = tuple(text.split(":"))
        if not all(configs):
            raise UserError(f"'{text}' names no experiment: write A.gin, or A.gin:B.gin for two.")
        return cls("+".join(Path(config).stem for config in configs), configs)

    def runs(
        self, seed: int, bindings: Sequence[str] = (), also: Sequence[str] = ()
    ) -> list[PlannedRun]:
        """Its runs with this seed, the last one the one that is told; `also`: configs behind."""
        bound = [*bindings, f"main.seed = {seed}"]
        # equal beginnings have one name, so that two arms share their pretraining
        stems = itertools.accumulate((Path(c).stem for c in self.configs), "{}+{}".format)
        names = [f"{started}-seed{seed}" for started in stems]
        told: list[dict[str, Any]] = [{}] * (len(names) - 1) + [
            {"experiment": self.name, _SEED: seed}
        ]
        return [
            PlannedRun(name, [config, *also], bound, after, columns=columns)
            for name, config, after, columns in zip(
                names, self.configs, [None, *names], told, strict=False
            )
        ]


def planned(
    arms: Sequence[Arm], seeds: Sequence[int], bindings: Sequence[str], also: Sequence[str]
) -> list[PlannedRun]:
    """The runs of all arms, those that several have once; bindings, also: see `Arm.runs`.

    Raises UserError where arms would share a run by its name alone.
    """
    runs: dict[str, PlannedRun] = {}
    for arm, seed in itertools.product(arms, seeds):
        for run in arm.runs(seed, bindings, also):
            other = runs.get(run.name, run)
            if _files(other) != _files(run):
                raise UserError(
                    f"{other.configs[0]} and {run.configs[0]} would be one run, {run.name}, as "
                    "runs are named by their files alone, without the folder: rename one of the "
                    "two, or put them into studies of their own."
                )
            if run.columns or run.name not in runs:  # what one only starts from, another tells of
                runs[run.name] = run
    return list(runs.values())


def _files(run: PlannedRun) -> list[Path]:
    """Its configs, equal for equal files however they are written."""
    return [find_config(name).resolve() for name in run.configs]


def summary(values: Mapping[str, Values]) -> pd.DataFrame:
    """A row an experiment: mean, sd, ci95, and the paired difference to the first one with its own.

    values: a figure a seed, in the same order of seeds for each experiment, nan where there is
    none; n, n_difference: seeds that have one, and those that have both.
    """
    rows = []
    first = next(iter(values.values()))
    for position, (name, found) in enumerate(values.items()):
        mean, spread, half, n = _told(found)
        row = {"experiment": name, "n": n, "mean": mean, "sd": spread, "ci95": half}
        if len(values) > 1:
            apart = found - first if position else np.full(1, np.nan)
            difference, _, width, pairs = _told(apart)
            row |= {"difference": difference, "difference_ci95": width, "n_difference": pairs}
        rows.append(row)
    return pd.DataFrame(rows)


def _told(values: Values) -> tuple[float, float, float, int]:
    """Mean, spread, interval and number of the values that are there."""
    there = values[~np.isnan(values)]
    return (*(over_runs(there) if len(there) else (np.nan,) * 3), len(there))


def tell(given: argparse.Namespace, names: Sequence[str], found: Finished) -> None:
    """Write and print a row a seed and a row an experiment; names: of the experiments.

    Raises UserError where no run is completed.
    """
    reached = found.read(lambda run, folder: (dict(run.columns), figure(folder, given.figure)))
    if not reached:
        raise UserError(f"{found.place} has no completed run to tell of.")
    each = pd.DataFrame({_SEED: given.seeds, **dict.fromkeys(names, np.nan)})
    for columns, value in reached.values():
        each.loc[each[_SEED] == columns[_SEED], columns["experiment"]] = value
    table = summary({name: each[name].to_numpy(float) for name in names})
    write_table(found.place / "seeds.csv", each)
    text = f"{given.figure}, seed by seed and over {len(given.seeds)} seeds\n\n"
    report = f"{text}{markdown(each)}\n\n{markdown(table)}\n"
    write_text(found.place / "seeds.md", report)
    show(f"{text}{console(each)}\n\n{console(table)}\n\neverything is in {found.place}")


def run_study(given: argparse.Namespace) -> None:
    """Complete every run, then write and print the table; raises UserError where some failed."""
    refuse_seed(given.parameter, given.config, "--seeds")
    arms = [Arm.parse(text) for text in given.experiments]
    names = [arm.name for arm in arms]
    for values, what in ((given.seeds, "--seeds"), (names, "the experiments")):
        if len(set(values)) < len(values):
            raise UserError(f"{what} name one twice: {', '.join(map(str, values))}.")
    if _SEED in names:
        raise UserError(
            f"an experiment cannot be called '{_SEED}', as its table has the seeds in a column of "
            f"that name: give {arms[names.index(_SEED)].configs[0]} another name."
        )
    runs = planned(arms, given.seeds, given.parameter, given.config)
    place = study_folder(given, f"seeds-{names[0]}")
    complete_and_tell(given, runs, place, partial(tell, given, names))


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "seeds", *sys.argv[1:]]))
