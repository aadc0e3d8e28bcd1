"""Split a CSV with a row for each image into training and test CSVs.

Even years train, odd years test (or a drawn share, or as a file says); the most frequent types
apart from the others. The CSV is all that is read. Also behind create_splits.sh.
"""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from fewshot.console import show
from fewshot.errors import UserError

if TYPE_CHECKING:
    from fewshot.data.splits.classes import FewShotPlan
    from fewshot.data.splits.listed import ListedParts
    from fewshot.data.splits.rows import SplitPlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """CSV, DIR and how to split."""
    parser.add_argument("csv", metavar="CSV", help="the table of all images, such as styles.csv")
    parser.add_argument("directory", metavar="DIR", help="where the split CSVs are written")
    add = parser.add_argument
    add("--top", type=int, default=20, metavar="N", help="most frequent types, default 20")
    add("--label-column", default="articleType", metavar="NAME", help="default articleType")
    add("--id-column", default="id", metavar="NAME",
        help="names the images; called id in the splits; default id")  # fmt: skip
    add("--per-class", type=int, nargs="+", default=(), metavar="N",
        help="also train_N_per_class.csv: N training rows of each type, nested")  # fmt: skip
    add("--corrections", action="append", default=[], metavar="FILE",
        help="CSV of id and label, such as a report's edited label_issues.csv: other labels are "
        "corrected, rows with an empty one left out; repeatable")  # fmt: skip
    add("--seed", type=int, default=0, help="of everything that is drawn, default 0")
    _add_parting(parser)
    _add_few_shot(parser)


def _add_parting(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which rows are for testing, and which for validation")
    how = group.add_mutually_exclusive_group()
    how.add_argument(
        "--test-fraction", type=float, metavar="FRACTION",
        help="draw this share of the rows to test on, stratified by type, whatever their year",
    )  # fmt: skip
    how.add_argument(
        "--parts", metavar="FILE",
        help="as this CSV lists them: (id, part): train, validation, test; or (type, part): base, "
        "novel_validation, novel",
    )  # fmt: skip
    add = group.add_argument
    add("--group-column", metavar="NAME",
        help="rows equal in this column (photos of one product) are never parted")  # fmt: skip
    add("--validation", type=float, default=0.0, metavar="FRACTION",
        help="set this share of the training rows apart, stratified by type")  # fmt: skip
    add("--validation-years", type=_years, default=(), metavar="2016,2018",
        help="set the training rows of these years apart (--validation draws from the "
        "others)")  # fmt: skip
    add("--validation-block", type=int, metavar="N",
        help="--validation draws whole blocks of N consecutive ids, not single rows")  # fmt: skip


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
        help="types, neither base nor novel, to choose the model on, default 0 (with --parts: "
        "drawn from the base types)",
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
    from fewshot.data.splits.command import create_splits

    show(str(create_splits(given.csv, given.directory, _plan(given))))


def _plan(given: argparse.Namespace) -> "SplitPlan":
    """The plan that the arguments state; raises UserError for options that do not go together."""
    from fewshot.data.splits.listed import read_parts
    from fewshot.data.splits.parting import Parting
    from fewshot.data.splits.rows import SplitPlan

    listed = None
    if given.parts is not None:
        listed = read_parts(given.parts, given.label_column, given.id_column)
    few_shot = _few_shot_plan(given, listed)
    parting = Parting(
        test_fraction=given.test_fraction,
        listed=None if listed is None or listed.of_types else listed,
        group_column=given.group_column,
        validation=given.validation,
        validation_years=given.validation_years,
        validation_block=given.validation_block,
    )
    if listed is not None and listed.of_types and (parting != Parting() or given.per_class):
        raise UserError(
            f"{listed.file} lists types, whose rows are base or novel, not training or test rows: "
            "--validation, --group-column and --per-class do not go with it."
        )
    return SplitPlan(
        top=given.top,
        parting=parting,
        per_class=tuple(sorted(set(given.per_class))),
        few_shot=few_shot,
        label_column=given.label_column,
        id_column=given.id_column,
        seed=given.seed,
        corrections=tuple(given.corrections),
    )


def _few_shot_plan(
    given: argparse.Namespace, listed: "ListedParts | None"
) -> "FewShotPlan | ListedParts | None":
    from fewshot.data.splits.classes import FewShotPlan

    draw, combination = given.few_shot_draw, given.few_shot_combination
    base, rare = given.base_classes, given.min_per_class
    wanted = given.few_shot or draw is not None or combination is not None
    if listed is not None and listed.of_types:
        if wanted or base is not None or rare is not None:
            raise UserError(
                f"{listed.file} lists which types are base and which are novel: --few-shot, "
                "--base-classes and --min-per-class do not go with it."
            )
        return replace(listed, validation_classes=given.validation_classes)
    if not wanted:
        if base is not None or rare is not None or given.validation_classes:
            raise UserError(
                "--base-classes, --validation-classes and --min-per-class say how to part classes: "
                "add --few-shot, --few-shot-draw SEED or --few-shot-combination K."
            )
        return None
    return FewShotPlan(
        base_classes=given.top if base is None else base,
        draw=draw,
        combination=combination,
        validation_classes=given.validation_classes,
        min_per_class=20 if rare is None else rare,
    )
