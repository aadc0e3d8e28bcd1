"""All that a plan wants of a CSV and does not find there, so that it is told in one message."""

from pathlib import Path

from fewshot.data.splits.listed import ListedParts
from fewshot.data.splits.rows import SplitPlan
from fewshot.data.tables.columns import column_named
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError


def refuse_all_lacking(source: Path, plan: SplitPlan) -> None:
    """Raise UserError that names everything lacking with its option, where that is several things.

    One thing, or a CSV that cannot be read at all, is left to whoever finds it.
    """
    try:
        table = read_rows(source, (), None)
    except UserError:
        return
    label = column_named(table, plan.label_column)
    lacking = []
    if column_named(table, plan.id_column) is None:
        lacking.append(f"no column '{plan.id_column}' (give --id-column NAME)")
    if label is None:
        lacking.append(f"no column '{plan.label_column}' (give --label-column NAME)")
    if not isinstance(plan.few_shot, ListedParts):
        by_year = plan.parting.test_fraction is None and plan.parting.listed is None
        if by_year and "year" not in table.columns:
            lacking.append("no column 'year' (give --test-fraction 0.2, or --parts FILE)")
        types = 0 if label is None else len(set(table[label].str.strip()) - {""})
        if label is not None and plan.top > types:
            lacking.append(f"no {plan.top} types but {types} (give --top, at most {types})")
    if len(lacking) > 1:
        top = f" With fewer than {plan.top} types give --top N, too." if label is None else ""
        raise UserError(
            f"{source} has {', '.join(lacking)}; its columns are: {', '.join(table.columns)}.{top}"
        )
