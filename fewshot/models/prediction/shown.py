"""Predictions on their way out: a table on the console, a CSV, JSON; as many as there are."""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

from fewshot.console import show
from fewshot.experiment.files import write_atomically
from fewshot.models.prediction.prediction import Prediction, frame
from fewshot.wording import visible

_AT_A_TIME = 1000
_PLACES = 6  # of a score
_WIDEST = 44  # of a photo's name, of which the end is shown
_INDENT = " " * 4


def write_csv(found: Iterable[Prediction], path: Path, top: int, neighbours: int) -> None:
    """A row a photo, written whole or not at all, numbers to six places; see Prediction.row."""
    from fewshot.spreadsheet import csv_text  # pandas takes a second

    def write(part: Path) -> None:
        left = iter(found)
        with part.open("w", encoding="utf-8", newline="") as file:
            file.write(csv_text(frame([], top, neighbours)))
            while some := list(islice(left, _AT_A_TIME)):
                file.write(csv_text(frame(some, top, neighbours).round(_PLACES)).partition("\n")[2])

    write_atomically(path, write)


def show_json(found: Iterable[Prediction]) -> None:
    """An object a line and photo."""
    for prediction in found:
        show(json.dumps(prediction.as_json(), ensure_ascii=False))


def show_table(found: Iterator[Prediction]) -> None:
    """A line a photo, its likeliest classes from the left; of those what a terminal has room for.

    Columns are as wide as the first photos need.
    """
    first = list(islice(found, _AT_A_TIME))
    photo = min(_WIDEST, max((len(visible(p.photo)) for p in first), default=0))
    name = max((len(visible(c)) for p in first for c, _ in p.classes[:1]), default=0)
    room = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for prediction in chain(first, found):
        show(_line(prediction, photo, name)[:room])
        for near in prediction.neighbours:
            text = f"{_INDENT}like {near.id}, {near.class_name} ({near.similarity:.3f})"
            show(visible(text)[:room])


def _line(prediction: Prediction, photo: int, name: int) -> str:
    shown = visible(prediction.photo)
    if len(shown) > photo:
        shown = f"...{shown[3 - photo :]}"
    if prediction.error:
        return f"{shown:<{photo}}  could not be read: {visible(prediction.error)}"
    cells = [f"{visible(text):<{name}} {score:.3f}" for text, score in prediction.classes]
    answer = prediction.answer if prediction.answer != prediction.classes[0][0] else None
    return "  ".join([f"{shown:<{photo}}", *([f"{answer}:"] if answer else []), *cells])
