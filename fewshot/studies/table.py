"""Many planned runs -> one table, published figures beside ours.

`python -m fewshot study table configs/studies/pretext_tasks.toml`: completes the runs that are
not completed yet, then writes and prints the table. The same command again
goes on where it was interrupted.
"""

import argparse
import sys
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import pandas as pd

from fewshot.console import show
from fewshot.errors import UserError
from fewshot.reports.tables import console, markdown
from fewshot.studies.arguments import study_folder
from fewshot.studies.completing import complete_and_tell
from fewshot.studies.figures import figure
from fewshot.studies.finished import Finished
from fewshot.studies.plan import Plan, read_plan
from fewshot.studies.report_files import write_table, write_text


def table(plan: Plan, found: Finished) -> pd.DataFrame:
    """A row a shown run: its columns, then each figure of ours and, where there is one, theirs."""
    reached = found.read(lambda _, folder: {name: figure(folder, name) for name in plan.figures})
    rows: list[dict[str, Any]] = []
    for run in plan.runs.values():
        if not run.columns:
            continue
        row = dict(run.columns)
        for name in plan.figures:
            row[name] = reached.get(run.name, {}).get(name, float("nan"))
            if any(name in other.theirs for other in plan.runs.values()):
                row[f"{name}, theirs"] = run.theirs.get(name, float("nan"))
        rows.append(row)
    return pd.DataFrame(rows)


def tell(plan: Plan, shows: bool, found: Finished) -> None:
    """Print the table, and write it unless it is only shown."""
    told = table(plan, found)
    if not shows:
        write_table(found.place / "table.csv", told)
        write_text(found.place / "table.md", f"{plan.title}\n\n{markdown(told)}\n")
    show(f"{plan.title}\n\n{console(told)}\n\neverything is in {found.place}")


def run_study(given: argparse.Namespace) -> None:
    """Complete runs, then write and print the table; raises UserError where some failed."""
    plan = read_plan(given.plan)
    names = [name for name in plan.runs if any(fnmatchcase(name, only) for only in given.only)]
    if not names:
        raise UserError(f"--only {' '.join(given.only)} names no run of: {', '.join(plan.runs)}.")
    more = given.config, given.parameter
    runs = [run.with_more(*more) for run in plan.with_needed(names)]
    told = [run.with_more(*more) for run in plan.runs.values()]
    place = study_folder(given, given.plan.stem)
    complete_and_tell(given, runs, place, partial(tell, plan, given.show), told)


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "table", *sys.argv[1:]]))
