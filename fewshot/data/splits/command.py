"""Training and test splits of a CSV, and what else few-label and few-shot work needs.

`python -m fewshot splits CSV DIR [--top 20]`, behind create_splits.sh; reads only the CSV.
"""

from dataclasses import replace
from pathlib import Path

import pandas as pd

from fewshot.data.splits.corrections import corrected
from fewshot.data.splits.files import SplitReport, write_splits
from fewshot.data.splits.lacking import refuse_all_lacking
from fewshot.data.splits.rows import SplitPlan, split
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError


def create_splits(
    csv: str | Path, directory: str | Path, plan: SplitPlan | None = None
) -> SplitReport:
    """Split the CSV by the plan into the folder.

    Raises UserError for an unreadable CSV, a bad plan or an unwritable folder.
    """
    plan = SplitPlan() if plan is None else plan
    source = Path(csv).expanduser()
    named_by = {plan.id_column: "--id-column", plan.label_column: "--label-column"}
    try:
        table = read_rows(source, (plan.label_column,), plan.id_column, named_by)
    except UserError:
        refuse_all_lacking(source, plan)
        raise
    table = _with_ids(table, plan)
    table, emptied, notes = corrected(table, plan.label_column, plan.corrections)
    try:
        found = split(table, plan)
    except UserError:
        refuse_all_lacking(source, plan)
        raise
    reasons = dict.fromkeys(emptied, "its label is empty in the corrections")
    dropped = [(row_id, reasons.get(row_id, reason)) for row_id, reason in found.dropped]
    found = replace(found, dropped=dropped, notes=[*notes, *found.notes])
    return write_splits(found, plan, source, Path(directory).expanduser())


def _with_ids(table: pd.DataFrame, plan: SplitPlan) -> pd.DataFrame:
    """The table with its id column called `id`; another column of that name is `original_id`."""
    if plan.id_column == "id":
        return table
    if plan.label_column == "id" or {"id", "original_id"} <= set(table.columns):
        raise UserError(
            f"--id-column {plan.id_column} is called id in the splits, and the CSV's own column "
            "'id' cannot be kept beside it: rename that one."
        )
    return table.rename(columns={"id": "original_id"}).rename(columns={plan.id_column: "id"})
