"""The label-budget study: completes its runs, then tells what the labels are worth.

`python -m fewshot study label_budget -c configs/studies/label_budget.gin`
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from fewshot.console import show
from fewshot.errors import UserError
from fewshot.reports.tables import markdown
from fewshot.spreadsheet import write_csv
from fewshot.studies.arguments import options_of
from fewshot.studies.budget_curves import draw_curves
from fewshot.studies.budget_rows import collected
from fewshot.studies.designs.described import described
from fewshot.studies.designs.label_budget import SCRATCH, LabelBudget
from fewshot.studies.engines.engine import build_engine
from fewshot.studies.labels_worth import in_words, paired, sentences, worth


def report(design: LabelBudget, found: pd.DataFrame, place: Path) -> str:
    """Write runs.csv, paired.csv, labels_worth.csv, curves.png and study.md; the console's text."""
    place.mkdir(parents=True, exist_ok=True)
    name = design.figure
    differences, worths = paired(found, name, SCRATCH), worth(found, name, SCRATCH)
    for file, table in (("runs", found), ("paired", differences), ("labels_worth", worths)):
        write_csv(table, place / f"{file}.csv")
    draw_curves(found, name, SCRATCH, place / "curves.png")
    budgets = [str(budget) for budget in design.budgets if budget is not None]
    budget = "10" if "10" in budgets else budgets[len(budgets) // 2]
    told = list(sentences(worths, budget))
    lines = "\n".join(in_words(differences, budget, SCRATCH))
    best = f"{told[0]} It is the best of {len(told)} on the test split." if told else ""
    (place / "study.md").write_text(
        f"# Accuracy by labels a class\n\n{best}\n\n![curves](curves.png)\n\n"
        f"In percentage points, paired by seed, with 95 % intervals:\n\n```\n{lines}\n```\n\n"
        f"## Differences to training from scratch\n\n{markdown(differences)}\n\n"
        f"## Labels saved\n\n{markdown(worths)}\n\n" + "\n\n".join(told) + "\n",
        encoding="utf-8",
    )
    return f"{lines}\n\n{best}"


def run_study(given: argparse.Namespace) -> None:
    """Complete every run, then write and print; raises UserError where some were not completed."""
    study = described(given.config, given.parameter, given.quick)
    design = study.design
    place = Path(given.output_dir).expanduser().absolute() / (given.name or study.name)
    there = [path.name for path in place.iterdir()] if place.is_dir() else []
    runs = list(design.runs(study.bindings, study.configs, there))
    engine = build_engine(given.engine, options_of(given))
    failed = [] if given.show else engine.complete(runs, place)
    found = collected(runs, place, design.figure)
    if found.empty:
        raise UserError(f"{place} has no completed run to tell of: run the study without --show.")
    show(f"{report(design, found, place)}\n\neverything is in {place}")
    if failed:
        raise UserError(f"not completed, for the reasons above: {', '.join(failed)}.")


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "label_budget", *sys.argv[1:]]))
