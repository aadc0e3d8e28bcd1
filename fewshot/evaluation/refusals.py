"""What is refused of a run's evaluators before anything is trained."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import signature
from typing import Any

from torch import nn

from fewshot.errors import UserError
from fewshot.interfaces import Dataset, Evaluator


def refuse_twins(evaluators: Sequence[Evaluator]) -> None:
    """Two evaluators of one kind and prefix would write the same figures and files."""
    known: set[tuple[type, str]] = set()
    for evaluator in evaluators:
        twin = (type(evaluator), getattr(evaluator, "prefix", ""))
        if twin in known:
            name = type(evaluator).__name__
            own = f"a/{name}.prefix = 'a_' for @a/{name}" if hasattr(evaluator, "prefix") else ""
            raise UserError(
                f"main.evaluators names {name} twice, and both would write the same figures and "
                f"files: {f'bind a prefix on one of them, e.g. {own}' if own else 'name it once'}."
            )
        known.add(twin)


def refuse_labels_asked_for(evaluators: Sequence[Evaluator]) -> None:
    """For a run without a labelled training row: an evaluator must not compare with labels."""
    for evaluator in evaluators:
        if getattr(evaluator, "needs_labels", False):
            raise UserError(
                f"{type(evaluator).__name__} compares with labels, and no training row has one: "
                "bind FashionDataset.label_column, or go without: add -c configs/probe/none.gin."
            )


def check(evaluators: Sequence[Evaluator], objective: Any, datasets: Mapping[str, Dataset]) -> None:
    """Ask every evaluator that has a check what it would refuse after training."""
    for evaluator in evaluators:
        if hasattr(evaluator, "check"):
            evaluator.check(objective, datasets)


def check_heads(heads: Iterable[Any], references: int) -> None:
    """Ask every head that has a check what it would refuse so many references for."""
    for head in heads:
        if hasattr(head, "check"):
            head.check(references)


def check_selection(
    select_by: str, monitors: Sequence[Evaluator], objective: Any, datasets: Mapping[str, Dataset]
) -> None:
    """Refuse a figure that no evaluator will report of the validation split.

    Where an evaluator does not say what it reports, that is found out after the first epoch.
    """
    split, _, name = select_by.partition("/")
    of_training = split in ("last", "train")
    if of_training or "validation" not in datasets or not monitors:
        return
    known: set[str] = set()
    for monitor in monitors:
        if not hasattr(monitor, "figures"):
            return
        known |= monitor.figures(objective, datasets)
    if split != "validation" or not known & {name, name.partition("/")[0]}:
        listed = ", ".join(f"validation/{figure}" for figure in sorted(known))
        raise UserError(
            f"main.select_by is {select_by!r}, which no evaluator reports: bind one of {listed}, "
            "or 'last'."
        )


def checked_head(owner: str, factory: Callable[[], Any]) -> Any:
    """The head that a factory builds; raises UserError for what is none, such as a classifier.

    owner: what the head is bound as, e.g. GalleryClassification.head.
    """
    name = getattr(factory, "__name__", type(factory).__name__)
    try:
        head = factory()
    except TypeError as error:  # it asks for arguments, as a classifier for its sizes does
        raise UserError(_no_head(owner, name)) from error
    takes = signature(head).parameters if callable(head) else {}
    if isinstance(head, nn.Module) or len(takes) < 4:
        raise UserError(_no_head(owner, name))
    return head


def _no_head(owner: str, name: str) -> str:
    return (
        f"{owner} is {name}, which is no head: bind a function of (support features, labels, query "
        "features, number of classes) such as @NearestPrototype, @KNN or @LogisticRegression. A "
        "classifier that is trained is bound on the objective."
    )
