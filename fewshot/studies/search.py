"""A search for the bindings that do best on validation; its trials are ordinary experiments.

`python -m fewshot study search A.gin --over torch.optim.Adam.lr 1e-4 1e-1 log --trials 20`
"""

import argparse
import ast
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from fewshot import seeding
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies.arguments import options_of
from fewshot.studies.engines.engine import Engine, build_engine
from fewshot.studies.grid import tell
from fewshot.studies.plan import PlannedRun
from fewshot.studies.runs import figure, is_completed

_JOURNAL = "search.log"


def space(over: Sequence[Sequence[str]], choice: Sequence[Sequence[str]]) -> dict[str, Any]:
    """{name: an Optuna distribution}; raises UserError for what is no range and no choice."""
    distributions = _optuna().distributions
    found: dict[str, Any] = {}
    for name, *ends in over:
        low, high, log = _range(name, ends)
        whole = isinstance(low, int) and isinstance(high, int)
        kind = distributions.IntDistribution if whole else distributions.FloatDistribution
        found[name] = kind(low, high, log=log)
    for name, *values in choice:
        if len(values) < 2:
            raise UserError(f"--choice {name} names {len(values)} values: name two or more.")
        found[name] = distributions.CategoricalDistribution(tuple(values))
    if len(found) < len(over) + len(choice):
        names = ", ".join(name for name, *_ in (*over, *choice))
        raise UserError(f"--over and --choice name one twice: {names}.")
    if not found:
        raise UserError("nothing to search for: name --over NAME LOW HIGH, or --choice NAME A B.")
    return found


def _range(name: str, ends: Sequence[str]) -> tuple[float, float, bool]:
    log = list(ends[2:]) == ["log"]
    try:
        low, high = (ast.literal_eval(end) for end in ends[:2])
        proper = low < high and (low > 0 or not log) and (log or len(ends) == 2)
    except (ValueError, SyntaxError, TypeError):
        proper = False
    if not proper:
        raise UserError(
            f"--over {name} {' '.join(ends)} is no range: write --over {name} LOW HIGH, or LOW "
            "HIGH log with LOW above 0."
        )
    return low, high, log


def search(
    run_of: "RunOf", over: dict[str, Any], trials: int, engine: Engine, jobs: int
) -> tuple[list[PlannedRun], list[str]]:
    """The runs of all trials, completed now or before, and the names of those that failed.

    Trials are drawn so many as jobs at a time. What was found is kept in the place's search.log,
    and a trial that was interrupted goes on as it was drawn.
    """
    optuna = _optuna()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    run_of.place.mkdir(parents=True, exist_ok=True)
    journal = optuna.storages.journal
    storage = optuna.storages.JournalStorage(
        journal.JournalFileBackend(str(run_of.place / _JOURNAL))
    )
    direction = "minimize" if run_of.figure.endswith("loss") else "maximize"
    study = optuna.create_study(
        storage=storage, study_name="search", direction=direction, load_if_exists=True
    )
    started = [t for t in study.get_trials() if t.state == optuna.trial.TrialState.RUNNING]
    going = [(trial.number, run_of(trial.params, trial.number)) for trial in started]
    while going or len(study.trials) < trials:
        while len(going) < jobs and len(study.trials) < trials:
            # drawn by what is known, not by how often it was interrupted
            seed = seeding.derive("search", run_of.seed, len(study.trials)) % 2**32
            study.sampler = optuna.samplers.TPESampler(seed=seed)
            trial = study.ask(over)
            going.append((trial.number, run_of(trial.params, trial.number)))
        failed = engine.complete([run for _, run in going], run_of.place)
        for number, run in going:
            if run.name in failed:
                study.tell(number, state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(number, run_of.value(run))
        going = []
    runs = [run_of(trial.params, trial.number) for trial in study.trials]
    return runs, [run.name for run in runs if not is_completed(run_of.folder(run))]


class RunOf:
    """The run of a trial, and its figure."""

    def __init__(self, given: argparse.Namespace, place: Path) -> None:
        self.configs = [given.experiment, *given.config]
        self.bindings, self.seed, self.figure = given.parameter, given.seed, given.figure
        self.place = place

    def __call__(self, values: dict[str, Any], number: int) -> PlannedRun:
        """With the values bound that the trial of that number has."""
        bound = [f"{name} = {value}" for name, value in values.items()]
        columns = {"trial": number, **{name: str(value) for name, value in values.items()}}
        seed = f"main.seed = {self.seed}"
        name = f"trial-{number:04d}-seed{self.seed}"
        return PlannedRun(name, self.configs, [*self.bindings, *bound, seed], columns=columns)

    def folder(self, run: PlannedRun) -> ExperimentFolder:
        """Where a trial's run stands."""
        return ExperimentFolder(run.parent(self.place) / run.name)

    def value(self, run: PlannedRun) -> float:
        """The figure that the search looks at."""
        return figure(self.folder(run), self.figure)


def _optuna() -> ModuleType:
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            f"the search needs optuna ({error}): pip install -r requirements-search.txt"
        ) from error
    found: ModuleType = optuna
    return found


def run_study(given: argparse.Namespace) -> None:
    """Complete the trials, then tell of them."""
    over = space(given.over, given.choice)
    name = given.name or f"search-{Path(given.experiment).stem}"
    place = Path(given.output_dir).expanduser().absolute() / name
    engine = build_engine(given.engine, options_of(given))
    runs, failed = search(RunOf(given, place), over, given.trials, engine, given.jobs)
    tell(runs, place, given, failed)


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "search", *sys.argv[1:]]))
