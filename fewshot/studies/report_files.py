"""A study's own files, each of them written whole or not at all."""

from pathlib import Path

import pandas as pd

from fewshot.experiment.files import write_atomically
from fewshot.spreadsheet import write_csv


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV; raises UserError where the disk has no room."""
    write_atomically(path, lambda part: write_csv(table, part))


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; raises UserError where the disk has no room."""
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8"))
