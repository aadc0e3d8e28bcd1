"""The label-budget study: completes its runs, then tells what the labels are worth.

`python -m fewshot study label_budget -c configs/studies/label_budget.gin`
"""

import argparse
import sys
from functools import partial
from pathlib import Path

import pandas as pd

from fewshot.console import show
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically
from fewshot.reports.tables import console
from fewshot.studies.arguments import study_folder
from fewshot.studies.budget_curves import draw_curves
from fewshot.studies.budget_report import study_text, table_of
from fewshot.studies.budget_rows import collected
from fewshot.studies.budget_words import in_words
from fewshot.studies.completing import complete_and_tell
from fewshot.studies.designs.described import described
from fewshot.studies.designs.label_budget import SCRATCH, LabelBudget
from fewshot.studies.finished import Finished
from fewshot.studies.labels_worth import worth
from fewshot.studies.paired_differences import TRAINED, paired
from fewshot.studies.report_files import write_table, write_text


def report(design: LabelBudget, found: pd.DataFrame, place: Path) -> str:
    """Write runs.csv, paired.csv, labels_worth.csv, curves.png and study.md; the console's text."""
    name = design.figure
    differences, worths = paired(found, name, SCRATCH), worth(found, name, SCRATCH)
    for file, table in (("runs", found), ("paired", differences), ("labels_worth", worths)):
        write_table(place / f"{file}.csv", table)
    write_atomically(place / "curves.png", partial(draw_curves, found, name, SCRATCH))
    means = found.groupby("budget")["labels"].mean().sort_values()
    labels = {str(budget): float(mean) for budget, mean in means.items()}
    budgets = [str(budget) for budget in design.budgets if budget is not None]
    budget = "10" if "10" in budgets else budgets[len(budgets) // 2]
    words = in_words(found, name, differences, worths, budget)
    text = study_text(name, differences, worths, labels, words, SCRATCH)
    write_text(place / "study.md", text)
    return words.text or console(table_of(differences, TRAINED, labels, SCRATCH))


def tell(design: LabelBudget, found: Finished) -> None:
    """Write and print what completed runs found; raises UserError where there is none."""
    rows = collected(found, design.figure)
    if rows.empty:
        remedy = "run the study without --show"
        if found.left_out:
            remedy = "those that it has are left out, see above: give the -c and -p of that study"
        raise UserError(f"{found.place} has no completed run to tell of: {remedy}.")
    show(f"{report(design, rows, found.place)}\n\neverything is in {found.place}")


def run_study(given: argparse.Namespace) -> None:
    """Complete every run, then write and print; raises UserError where some were not completed."""
    study = described(given.config, given.parameter, given.quick)
    place = study_folder(given, study.name)
    there = [path.name for path in place.iterdir()] if place.is_dir() else []
    runs = list(study.design.runs(study.bindings, study.configs, there))
    complete_and_tell(given, runs, place, partial(tell, study.design))


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "label_budget", *sys.argv[1:]]))
