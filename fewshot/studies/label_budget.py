"""The label-budget study: completes its runs, then tells what the labels are worth.

`python -m fewshot study label_budget -c configs/studies/label_budget.gin`
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import gin
import pandas as pd

from fewshot.binding import config
from fewshot.console import show
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.reports.tables import markdown
from fewshot.spreadsheet import read_csv, write_csv
from fewshot.studies.arguments import options_of
from fewshot.studies.budget_curves import draw_curves
from fewshot.studies.designs.label_budget import SCRATCH, LabelBudget
from fewshot.studies.engines.engine import build_engine
from fewshot.studies.labels_worth import TRAINED, in_words, paired, sentences, worth
from fewshot.studies.plan import PlannedRun
from fewshot.studies.runs import figure, is_completed, read_results

_DEFAULT = "configs/studies/label_budget.gin"
_QUICK = "configs/studies/label_budget_quick.gin"
_OWN = "LabelBudget."


def collected(runs: Sequence[PlannedRun], place: Path, name: str) -> pd.DataFrame:
    """A row a completed run, a probe giving one a head and budget.

    Columns: method, way, budget, seed, rows, smallest_class, labels (the mean a class), the figure
    `name` of the test split, folder.
    """
    rows = []
    for run in runs:
        folder = ExperimentFolder(run.parent(place) / run.name)
        if not run.columns or not is_completed(folder):
            continue
        told = _trained(folder, name) if "budget" in run.columns else _probed(folder, name)
        rows += [{**run.columns, **row, "folder": run.name} for row in told]
    order = ["method", "way", "budget", "seed", "rows", "smallest_class", "labels", name, "folder"]
    return pd.DataFrame(rows, columns=order)


def _trained(folder: ExperimentFolder, name: str) -> Iterator[dict[str, Any]]:
    counts = read_csv(folder.path / "per_class.csv", ("class",))["n_train"]
    counts = counts[counts > 0]
    facts = {"rows": int(counts.sum()), "smallest_class": int(counts.min())}
    yield {"way": TRAINED, **facts, "labels": counts.mean(), name: figure(folder, f"test/{name}")}


def _probed(folder: ExperimentFolder, name: str) -> Iterator[dict[str, Any]]:
    budgets: Mapping[str, Any] = read_results(folder).get("test", {}).get("label_budgets", {})
    for budget, found in budgets.items():
        facts = {key: found[key] for key in ("rows", "smallest_class", "labels")}
        for head, figures in found.items():
            if isinstance(figures, dict):
                yield {"budget": budget, "way": head, **facts, name: figures[name]}


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


def read_design(configs: Sequence[str], bindings: Sequence[str]) -> LabelBudget:
    """The study that some configs describe, by bindings of LabelBudget that win over them."""
    config.load(list(configs), list(bindings))
    design: LabelBudget = gin.get_configurable(LabelBudget)()
    return design


def run_study(given: argparse.Namespace) -> None:
    """Complete every run, then write and print; raises UserError where some were not completed."""
    configs = given.config or [_DEFAULT]
    name = given.name or Path(configs[0]).stem + ("_quick" if given.quick else "")
    if given.quick:
        configs = [*configs, _QUICK]
    own = [binding for binding in given.parameter if binding.startswith(_OWN)]
    design = read_design(configs, own)
    runs = list(design.runs([binding for binding in given.parameter if binding not in own]))
    place = Path(given.output_dir).expanduser().absolute() / name
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
