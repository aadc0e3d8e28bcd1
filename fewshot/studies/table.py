"""Many planned runs -> one table, published figures beside ours.

`python -m fewshot study table configs/studies/pretext_tasks.toml`: completes the runs that are
not completed yet, then writes and prints the table. The same command again
goes on where it was interrupted.
"""

import argparse
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.console import show
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.reports.tables import console, markdown
from fewshot.spreadsheet import write_csv
from fewshot.studies.arguments import options_of
from fewshot.studies.engines.engine import build_engine
from fewshot.studies.plan import Plan, read_plan
from fewshot.studies.runs import figure, is_completed


def table(plan: Plan, output_dir: Path) -> pd.DataFrame:
    """A row a shown run: its columns, then each figure of ours and, where there is one, theirs."""
    rows: list[dict[str, Any]] = []
    for run in plan.runs.values():
        if not run.columns:
            continue
        row = dict(run.columns)
        folder = ExperimentFolder(run.parent(output_dir) / run.name)
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
    runs = [run.with_more(given.config, given.parameter) for run in wanted]
    failed = build_engine(given.engine, options_of(given)).complete(runs, place)
    found = table(plan, place)
    if not given.show:
        place.mkdir(parents=True, exist_ok=True)
        write_csv(found, place / "table.csv")
        (place / "table.md").write_text(f"{plan.title}\n\n{markdown(found)}\n", encoding="utf-8")
    show(f"{plan.title}\n\n{console(found)}\n\neverything is in {place}")
    if failed:
        raise UserError(f"not completed, for the reasons above: {', '.join(failed)}.")


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "table", *sys.argv[1:]]))
