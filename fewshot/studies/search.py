"""A search for the bindings that do best on validation; its trials are ordinary experiments.

`python -m fewshot study search A.gin --over torch.optim.Adam.lr 1e-4 1e-1 log --trials 20`
"""

import argparse
import ast
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fewshot import seeding
from fewshot.errors import UserError
from fewshot.studies.arguments import options_of, refuse_seed, study_folder
from fewshot.studies.completing import refuse_incomplete, tell_unfinished, telling_at_an_end
from fewshot.studies.engines.engine import Engine, build_engine
from fewshot.studies.figures import figure, is_completed
from fewshot.studies.finished import finished, folder_of, refuse_others
from fewshot.studies.grid import tell
from fewshot.studies.journal import check_goes_on, drawn, note_settings, opened
from fewshot.studies.plan import PlannedRun
from fewshot.studies.progress import Progress
from fewshot.studies.runs import Run, refuse_wrong

_KIND = "trial"  # all are taken to last as long


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
    run_of: "RunOf", study: Any, over: dict[str, Any], trials: int, engine: Engine, jobs: int
) -> list[str]:
    """Complete so many trials of the study in all; the names of those that failed.

    Trials are drawn so many as jobs at a time; one that is not completed goes on as it was drawn,
    whether it was interrupted, failed or its folder is gone.
    """
    optuna = _optuna()
    known = drawn(study, over)
    going = [run_of(trial) for trial in known if not run_of.is_known(trial)]
    progress = Progress([(_KIND,)] * (len(going) + max(trials - len(known), 0)), jobs)
    while going or len(drawn(study, over)) < trials:
        while len(going) < jobs and len(known := drawn(study, over)) < trials:
            # drawn by what is known, not by how often it was interrupted
            seed = seeding.derive("search", run_of.seed, len(known)) % 2**32
            study.sampler = optuna.samplers.TPESampler(seed=seed)
            going.append(run_of(study.ask(over)))
        failed = engine.complete(going, run_of.place, progress)
        for run in going:
            if run.name not in failed:  # one that failed stays as drawn, to be tried once more
                _tell_value(study, run.columns["trial"], run_of.value(run), run_of.settings)
        going = []
    runs = [run_of(trial) for trial in drawn(study, over)]
    return [run.name for run in runs if not run_of.is_completed(run)]


def _tell_value(study: Any, trial: int, value: float, settings: dict[str, Any]) -> None:
    """Let the study know of a trial's figure, unless it knew before the folder was removed."""
    if np.isfinite(value):
        note_settings(study, settings)
        study.tell(trial, value, skip_if_finished=True)
    else:
        study.tell(trial, state=_optuna().trial.TrialState.FAIL, skip_if_finished=True)


class RunOf:
    """The run of a trial, and its figure."""

    def __init__(self, given: argparse.Namespace, place: Path) -> None:
        self.configs = [given.experiment, *given.config]
        self.bindings, self.seed, self.figure = given.parameter, given.seed, given.figure
        self.place = place

    @property
    def settings(self) -> dict[str, Any]:
        """What all trials of a search have to have in common, by the names of the flags."""
        return {"--figure": self.figure, "--seed": self.seed}

    def __call__(self, trial: Any) -> PlannedRun:
        """With the values bound that were drawn for the trial."""
        bound = [f"{name} = {value}" for name, value in trial.params.items()]
        shown = {name: str(value) for name, value in trial.params.items()}
        return PlannedRun(
            f"trial-{trial.number:04d}-seed{self.seed}",
            self.configs,
            [*self.bindings, *bound, f"main.seed = {self.seed}"],
            columns={"trial": trial.number, **shown},
            kind=_KIND,
        )

    def at_the_ends(self, over: dict[str, Any]) -> Iterator[Run]:
        """Runs that have among them both ends of every range and every choice."""
        values = {name: getattr(o, "choices", None) or (o.low, o.high) for name, o in over.items()}
        for place in range(max(map(len, values.values()))):
            bound = [f"{name} = {some[place % len(some)]}" for name, some in values.items()]
            yield Run("", self.configs, [*self.bindings, *bound, f"main.seed = {self.seed}"])

    def is_known(self, trial: Any) -> bool:
        """Whether the search knows what the trial came to, and its folder holds it."""
        return bool(trial.state.is_finished()) and self.is_completed(self(trial))

    def is_completed(self, run: PlannedRun) -> bool:
        """Whether it is; what cannot be read is not, and who goes on with it says why."""
        try:
            return is_completed(folder_of(run, self.place))
        except UserError:
            return False

    def value(self, run: PlannedRun) -> float:
        """The figure that the search looks at."""
        return figure(folder_of(run, self.place), self.figure)


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
    """Complete the trials, then tell of them; an interrupted search tells of those that are."""
    bound = [*given.parameter, *(name for name, *_ in (*given.over, *given.choice))]
    refuse_seed(bound, given.config, "--seed")
    over = space(given.over, given.choice)
    if given.trials < 1:
        raise UserError(f"--trials is {given.trials}: give 1 or more.")
    place = study_folder(given, f"search-{Path(given.experiment).stem}")
    engine = build_engine(given.engine, options_of(given))
    run_of = RunOf(given, place)
    refuse_wrong(run_of.at_the_ends(over))  # which leaves no folder
    with opened(_optuna(), place, given.figure.endswith("loss")) as study:
        check_goes_on(study, over, run_of.settings)
        refuse_others([run_of(trial) for trial in drawn(study, over)], place)

        def tell_drawn() -> None:
            runs = [run_of(trial) for trial in drawn(study, over)]
            tell_unfinished(runs, place, partial(tell, given, runs))

        with telling_at_an_end(tell_drawn):
            failed = search(run_of, study, over, given.trials, engine, given.jobs)
        runs = [run_of(trial) for trial in drawn(study, over)]
    found = finished(runs, place, failed)
    tell(given, runs, found)
    refuse_incomplete(failed, found)


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "search", *sys.argv[1:]]))
