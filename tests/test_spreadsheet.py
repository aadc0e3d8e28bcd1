from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fewshot
from fewshot.spreadsheet import csv_text, escaped, read_csv, restored, write_csv


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-cmd", "'-cmd"),
        ("+a", "'+a"),
        ("\tx", "'\tx"),
        ("'=1", "''=1"),
        ("'quoted'", "'quoted'"),
        ("-5", "-5"),
        ("+1.5e3", "+1.5e3"),
        ("T-shirt", "T-shirt"),
        ("", ""),
        (-5, -5),
        (None, None),
    ],
)
def test_what_a_spreadsheet_would_compute_becomes_text(text, cell):
    assert escaped(text) == cell
    assert restored(cell) == text


@given(st.text(alphabet="'=+-@\t\r1a"))
def test_every_text_comes_back(text):
    assert restored(escaped(text)) == text


def test_numbers_names_and_missing_cells_come_back(tmp_path):
    table = pd.DataFrame(
        {
            "id": ["007", "=2", "-5"],
            "=class": ["NA", "@home", None],
            "score": [-0.5, 1.0, float("nan")],
        }
    )
    write_csv(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == csv_text(table)
    assert csv_text(table).splitlines()[1:] == ["007,NA,-0.5", "'=2,'@home,1.0", "-5,,"]
    found = read_csv(tmp_path / "a.csv", ("id", "=class"))
    assert found.columns.tolist() == ["id", "=class", "score"]
    assert found["id"].tolist() == ["007", "=2", "-5"]
    assert found["=class"].tolist()[:2] == ["NA", "@home"]
    assert found["score"].tolist()[:2] == [-0.5, 1.0]


def test_no_table_is_written_past_this_module():
    package = Path(fewshot.__file__).parent
    past = [path.name for path in package.rglob("*.py") if ".to_csv(" in path.read_text("utf-8")]
    assert past == ["spreadsheet.py"]
