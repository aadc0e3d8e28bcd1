"""Train and test splits of a styles.csv by year, and what else few-label and few-shot work needs.

`python -m fewshot.data.splits CSV DIR [--top 20]`, behind create_splits.sh; reads only the CSV.
"""

import argparse
import sys
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


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's arguments; a wrong one exits with code 2."""
    parser = argparse.ArgumentParser(
        prog="create_splits.sh",
        description="Split a CSV with the columns id, articleType and year: even years train, odd "
        "years test; the most frequent types apart from the others.",
    )
    parser.add_argument("csv", metavar="CSV", help="the table of all images, such as styles.csv")
    parser.add_argument("directory", metavar="DIR", help="where the split CSVs are written")
    add = parser.add_argument
    add("--top", type=int, default=20, metavar="N", help="most frequent types, default 20")
    add("--label-column", default="articleType", metavar="NAME", help="default articleType")
    add("--seed", type=int, default=0, help="of --validation and --per-class, default 0")
    held_out = parser.add_mutually_exclusive_group()
    held_out.add_argument(
        "--validation", type=float, default=0.0, metavar="FRACTION",
        help="set this share of the training rows apart, stratified by type",
    )  # fmt: skip
    held_out.add_argument(
        "--validation-years", type=_years, default=(), metavar="2016,2018",
        help="set the training rows of these years apart",
    )  # fmt: skip
    add("--per-class", type=int, nargs="+", default=(), metavar="N",
        help="also train_N_per_class.csv: N training rows of each type, nested")  # fmt: skip
    _add_few_shot(parser)
    return parser.parse_args(arguments)


def _add_few_shot(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("class-disjoint splits for few-shot learning")
    how = group.add_mutually_exclusive_group()
    how.add_argument(
        "--few-shot", action="store_true", help="base: the most frequent types; novel: the others"
    )
    how.add_argument("--few-shot-draw", type=int, metavar="SEED", help="base types drawn at random")
    how.add_argument(
        "--few-shot-combination", type=int, metavar="K",
        help="base types by the K-th of all combinations, from 0 (10 types, 5 base: 0 to 251)",
    )  # fmt: skip
    group.add_argument("--base-classes", type=int, metavar="N", help="default: as --top")
    group.add_argument(
        "--validation-classes", type=int, default=0, metavar="N",
        help="types, neither base nor novel, to choose the model on, default 0",
    )  # fmt: skip
    group.add_argument(
        "--min-per-class", type=int, metavar="N",
        help="rows a type needs to take part, default 20",
    )  # fmt: skip


def _years(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(year) for year in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of years such as 2016,2018"
        ) from None


def _few_shot_plan(arguments: argparse.Namespace) -> FewShotPlan | None:
    draw, combination = arguments.few_shot_draw, arguments.few_shot_combination
    base, rare = arguments.base_classes, arguments.min_per_class
    if not arguments.few_shot and draw is None and combination is None:
        if base is not None or rare is not None or arguments.validation_classes:
            raise UserError(
                "--base-classes, --validation-classes and --min-per-class say how to part classes: "
                "add --few-shot, --few-shot-draw SEED or --few-shot-combination K."
            )
        return None
    return FewShotPlan(
        base_classes=arguments.top if base is None else base,
        draw=draw,
        combination=combination,
        validation_classes=arguments.validation_classes,
        min_per_class=20 if rare is None else rare,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when the splits are written, 2 when the input is wrong."""
    parsed = parse_arguments(arguments)
    try:
        report = create_splits(
            parsed.csv,
            parsed.directory,
            parsed.top,
            validation=parsed.validation,
            validation_years=parsed.validation_years,
            per_class=parsed.per_class,
            few_shot=_few_shot_plan(parsed),
            label_column=parsed.label_column,
            seed=parsed.seed,
        )
    except UserError as error:
        print(f"create_splits: {error}", file=sys.stderr)
        return 2
    print(report)
    return 0
