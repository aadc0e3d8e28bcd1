"""Many planned runs -> one table, published figures beside ours.

`python -m fewshot study table configs/studies/pretext_tasks.toml`: completes the runs that are
not completed yet, one after the other, then writes and prints the table. The same command again
goes on where it was interrupted.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.console import message, show
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.reports.tables import console, markdown
from fewshot.studies.chain import model_of
from fewshot.studies.plan import Plan, PlannedRun, read_plan
from fewshot.studies.runs import Run, complete, figure, is_completed

logger = logging.getLogger("fewshot")


def complete_plan(
    wanted: Sequence[PlannedRun],
    bindings: Sequence[str],
    output_dir: Path,
    also: Sequence[str] = (),
) -> list[str]:
    """Complete the wanted runs, in this order; the names of those that could not be.

    also: configs that are put behind each run's.

    One that is refused, or whose training diverged, does not keep the others from running.
    """
    failed: list[str] = []
    for planned in wanted:
        own = planned.run(bindings)
        run = Run(own.name, [*own.configs, *also], own.bindings)
        if planned.after in failed:
            logger.warning("%s is left out, since %s failed", planned.name, planned.after)
            failed.append(planned.name)
            continue
        try:
            if planned.after is not None:
                start = ExperimentFolder(output_dir / planned.after)
                run = run.with_model(model_of(start, planned.model))
            complete(run, output_dir)
        except UserError as error:
            logger.warning("%s", message(error))
            failed.append(planned.name)
    return failed


def table(plan: Plan, output_dir: Path) -> pd.DataFrame:
    """A row a shown run: its columns, then each figure of ours and, where there is one, theirs."""
    rows: list[dict[str, Any]] = []
    for run in plan.runs.values():
        if not run.columns:
            continue
        row = dict(run.columns)
        folder = ExperimentFolder(output_dir / run.name)
        for name in plan.figures:
            row[name] = figure(folder, name) if is_completed(folder) else float("nan")
            if any(name in other.theirs for other in plan.runs.values()):
                row[f"{name}, theirs"] = run.theirs.get(name, float("nan"))
        rows.append(row)
    return pd.DataFrame(rows)


def run_study(given: argparse.Namespace) -> None:
    """Complete runs, then write and print the table; raises UserError where some failed."""
    plan = read_plan(given.plan)
    place = Path(given.output_dir).expanduser().absolute() / (given.name or given.plan.stem)
    names = [name for name in plan.runs if any(fnmatchcase(name, only) for only in given.only)]
    if not names:
        raise UserError(f"--only {' '.join(given.only)} names no run of: {', '.join(plan.runs)}.")
    wanted = [] if given.show else plan.with_needed(names)
    failed = complete_plan(wanted, given.parameter, place, given.config)
    found = table(plan, place)
    if not given.show:
        place.mkdir(parents=True, exist_ok=True)
        found.to_csv(place / "table.csv", index=False)
        (place / "table.md").write_text(f"{plan.title}\n\n{markdown(found)}\n", encoding="utf-8")
    show(f"{plan.title}\n\n{console(found)}\n\neverything is in {place}")
    if failed:
        raise UserError(f"not completed, for the reasons above: {', '.join(failed)}.")


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "table", *sys.argv[1:]]))
