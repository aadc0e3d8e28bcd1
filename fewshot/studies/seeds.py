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
from pathlib import Path

import numpy as np
import pandas as pd

from fewshot.console import show
from fewshot.errors import UserError
from fewshot.evaluation.intervals import Values, over_runs
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.reports.tables import console, markdown
from fewshot.spreadsheet import write_csv
from fewshot.studies.arguments import options_of
from fewshot.studies.engines.engine import build_engine
from fewshot.studies.plan import PlannedRun
from fewshot.studies.runs import figure


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
        return [
            PlannedRun(name, [config, *also], bound, after)
            for name, config, after in zip(names, self.configs, [None, *names], strict=False)
        ]


def summary(values: Mapping[str, Values]) -> pd.DataFrame:
    """A row an experiment: mean, sd, ci95, and the paired difference to the first one with its own.

    values: a figure a seed, in the same order of seeds for each experiment.
    """
    rows = []
    first = next(iter(values.values()))
    for position, (name, found) in enumerate(values.items()):
        mean, spread, half = over_runs(found)
        row = {"experiment": name, "n": len(found), "mean": mean, "sd": spread, "ci95": half}
        if len(values) > 1:
            difference, _, width = over_runs(found - first) if position else (np.nan,) * 3
            row |= {"difference": difference, "difference_ci95": width}
        rows.append(row)
    return pd.DataFrame(rows)


def run_study(given: argparse.Namespace) -> None:
    """Complete every run, then write and print the table."""
    arms = [Arm.parse(text) for text in given.experiments]
    for values, what in ((given.seeds, "--seeds"), ([arm.name for arm in arms], "the experiments")):
        if len(set(values)) < len(values):
            raise UserError(f"{what} name one twice: {', '.join(map(str, values))}.")
    place = Path(given.output_dir).expanduser().absolute() / (given.name or f"seeds-{arms[0].name}")
    runs = {
        (arm.name, seed): arm.runs(seed, given.parameter, given.config)
        for arm in arms
        for seed in given.seeds
    }
    once = {run.name: run for several in runs.values() for run in several}
    failed = build_engine(given.engine, options_of(given)).complete(list(once.values()), place)
    if failed:
        raise UserError(f"not completed, for the reasons above: {', '.join(failed)}.")
    found = {
        arm.name: np.array(
            [
                figure(ExperimentFolder(place / runs[arm.name, seed][-1].name), given.figure)
                for seed in given.seeds
            ]
        )
        for arm in arms
    }
    table = summary(found)
    each = pd.DataFrame({"seed": given.seeds, **found})
    write_csv(each, place / "seeds.csv")
    text = f"{given.figure}, seed by seed and over {len(given.seeds)} seeds\n\n"
    (place / "seeds.md").write_text(f"{text}{markdown(each)}\n\n{markdown(table)}\n")
    show(f"{text}{console(each)}\n\n{console(table)}\n\neverything is in {place}")


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "seeds", *sys.argv[1:]]))
