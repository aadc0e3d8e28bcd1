"""Lines cut at their commas against Python's csv, for any text."""

import csv
import io

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fewshot.data.tables import plain_lines
from fewshot.data.tables.plain_lines import read_plain

LINES = st.lists(st.text('ab,," é\r', max_size=8), max_size=12)


def by_csv(text, at):
    lines = io.StringIO(text, newline="")
    for _ in range(at):
        next(lines, None)
    return list(csv.reader(lines, strict=True))


def rows_of(records, width):
    sheet = records.sheet(None, ["name"] * width, range(1, 1 + records.count), ["x"] * 99)
    rows = [list(row) for row in zip(*sheet.cells, strict=True)]
    return [sheet.odd.get(number, row) for number, row in enumerate(rows)]


@settings(max_examples=300)
@given(
    lines=LINES,
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
    at=st.integers(0, 2),
    width=st.integers(2, 4),
    block=st.sampled_from([1, 7, 1 << 17]),
)
@example(['a,"b,b"', "a,b", 'a,3"'], "\n", True, 0, 2, 1 << 17)
@example(["a,b", "", "a,b,c", "a,b"], "\r\n", False, 1, 2, 7)
def test_what_is_read_is_what_csv_reads(lines, end, last, at, width, block):
    text = end.join(lines) + (end if last else "")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_lines, "_BLOCK", block)
        records = read_plain(text.encode(), at, width)
    if records is not None:
        assert rows_of(records, width) == by_csv(text, at)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_without_quotes_and_with_balanced_ones_are_read(end):
    text = end.join(["id,name", "1,a", '2,"b, c"', '3,3.5" wide', "4,d,e", "5", "6,f"])
    records = read_plain(text.encode(), 1, 2)
    assert rows_of(records, 2) == [
        ["1", "a"], ["2", "b, c"], ["3", '3.5" wide'], ["4", "d", "e"], ["5"], ["6", "f"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '1,"several\nlines"\n',  # a cell that goes on
        "1,a\r2,b\n",  # an old Macintosh's end of line
        '1,"a"b\n',  # what csv refuses
        f"1,{'a' * (csv.field_size_limit() + 1)}\n",
    ],
)
def test_what_is_not_certain_is_left_to_csv(text):
    assert read_plain(text.encode(), 0, 2) is None
    assert read_plain(b"1\n\n2\n", 0, 1) is None  # is a blank line a cell?
