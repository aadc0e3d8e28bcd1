"""Train and test splits of a styles.csv by year, and what else few-label and few-shot work needs.

`python -m fewshot splits CSV DIR [--top 20]`, behind create_splits.sh; reads only the CSV.
"""

from collections.abc import Sequence
from pathlib import Path

from fewshot.data.splits.classes import FewShotPlan
from fewshot.data.splits.files import SplitReport, write_splits
from fewshot.data.splits.rows import SplitPlan, split
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError


def create_splits(
    csv: str | Path,
    directory: str | Path,
    top: int = 20,
    *,
    validation: float = 0.0,
    validation_years: Sequence[int] = (),
    per_class: Sequence[int] = (),
    few_shot: FewShotPlan | None = None,
    label_column: str = "articleType",
    seed: int = 0,
) -> SplitReport:
    """Split the CSV by the plan that the arguments make (see SplitPlan) into the folder.

    Raises UserError for an unreadable CSV, one without years, a bad plan or an unwritable folder.
    """
    plan = SplitPlan(
        top=top,
        validation=validation,
        validation_years=tuple(validation_years),
        per_class=tuple(sorted(set(per_class))),
        few_shot=few_shot,
        label_column=label_column,
        seed=seed,
    )
    source = Path(csv).expanduser()
    table = read_rows(source, ("id", label_column))
    if "year" not in table.columns:
        raise UserError(
            f"{source} has no column 'year', by which rows are split (even: training, odd: test); "
            f"its columns are: {', '.join(table.columns)}. Add one, or write your own split CSVs."
        )
    return write_splits(split(table, plan), plan, source, Path(directory).expanduser())
