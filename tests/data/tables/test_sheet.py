import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.data.tables import sheet as sheet_module
from fewshot.data.tables.sheet import Lines, Records

CELL = st.text(st.sampled_from("ab "), max_size=3)


@pytest.mark.parametrize("few", [0, 2, 4096])
@given(st.lists(st.lists(CELL, min_size=1, max_size=3), max_size=12), st.integers(1, 5))
def test_records_are_what_a_loop_over_them_finds(few, rows, at_once):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sheet_module, "_FEW", few)
        records = Records(2)
        for start in range(0, len(rows), at_once):
            records.add(rows[start : start + at_once])
    lines = [",".join(row) for row in rows]
    found = records.sheet(Path("t.csv"), ["x", "y"], range(1, len(rows) + 1), lines)
    kept = [(k, row) for k, row in enumerate(rows) if len(row) > 1 or row[0].strip()]
    assert list(found.lines) == [k + 1 for k, _ in kept]
    assert found.odd == {n: row for n, (_, row) in enumerate(kept) if len(row) != 2}
    for place, column in enumerate(found.cells):
        assert column == [row[place] if len(row) == 2 else "" for _, row in kept]


def test_cells_that_repeat_are_one_text():
    records = Records(2)
    records.add(list(csv.reader(f"{number},Hats" for number in range(50))))
    ids, types = records.sheet(Path("t.csv"), ["id", "type"], range(1, 51), []).cells
    assert len({*map(id, types)}) == 1
    assert ids == [str(number) for number in range(50)]


@given(st.text(st.sampled_from('a,"\n\r\x85\u2028\u00e4'), max_size=20))
def test_lines_end_where_those_of_a_table_do(text):
    expected = list(io.StringIO(text, newline=""))
    lines = Lines(b"\xef\xbb\xbf" + text.encode())
    assert list(lines) == expected
    assert len(lines) == len(expected)
    assert lines[:] == expected
