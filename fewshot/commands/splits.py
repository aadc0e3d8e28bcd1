"""Split a styles.csv into training and test CSVs.

Even years train, odd years test; the most frequent types apart from the others. The CSV has the
columns id, articleType and year, and is all that is read. Also behind create_splits.sh.
"""

import argparse

from fewshot.console import show
from fewshot.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CSV, DIR and how to split."""
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


def run(given: argparse.Namespace) -> None:
    """Write the splits, and say what is in them and what was dropped."""
    from fewshot.data.splits.classes import FewShotPlan
    from fewshot.data.splits.command import create_splits

    base, rare = given.base_classes, given.min_per_class
    parted = given.few_shot or given.few_shot_draw is not None
    few_shot = None
    if parted or given.few_shot_combination is not None:
        few_shot = FewShotPlan(
            base_classes=given.top if base is None else base,
            draw=given.few_shot_draw,
            combination=given.few_shot_combination,
            validation_classes=given.validation_classes,
            min_per_class=20 if rare is None else rare,
        )
    elif base is not None or rare is not None or given.validation_classes:
        raise UserError(
            "--base-classes, --validation-classes and --min-per-class say how to part classes: "
            "add --few-shot, --few-shot-draw SEED or --few-shot-combination K."
        )
    report = create_splits(
        given.csv,
        given.directory,
        given.top,
        validation=given.validation,
        validation_years=given.validation_years,
        per_class=given.per_class,
        few_shot=few_shot,
        label_column=given.label_column,
        seed=given.seed,
    )
    show(str(report))
