import hashlib
import io
import os
from csv import Error, reader, writer
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from fewshot.data.tables import csv_file
from fewshot.data.tables.sheet import Lines
from fewshot.data.tables.table import (
    csv_lines,
    digest,
    read_rows,
    read_table,
    write_table,
    write_text,
)
from fewshot.errors import UserError

HEADER = "id,articleType,year,productDisplayName\n"


def rows_of(sheet):
    rows = map(list, zip(*sheet.cells, strict=True))
    return [sheet.odd.get(number, row) for number, row in enumerate(rows)]


@pytest.fixture
def csv(tmp_path):
    def write(text, name="styles.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


def refused(*arguments, **options):
    with pytest.raises(UserError) as caught:
        read_table(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("1,Shirts,2011,Plain", "Plain"),
        ("1,Shirts,2011,Tie, Cufflink and Pocket Square", "Tie, Cufflink and Pocket Square"),
        ("1,Shirts,2011,Liv,Laugh,Love", "Liv,Laugh,Love"),
        ('1,Shirts,2011,Tempo 3.5" Pink Short', 'Tempo 3.5" Pink Short'),
        ('1,Shirts,2011,"Tie, quoted"', "Tie, quoted"),
        ('1,Shirts,2011,"a ""b"", c"', 'a "b", c'),
        ('1,Shirts,2011,"Air" shoes', '"Air" shoes'),
        ('1,Shirts,2011,"Air" shoes, red', '"Air" shoes, red'),
        ('1,Shirts,2011,5" and 6", red', '5" and 6", red'),
        ('1,"Shirts",2011,"Air", red', '"Air", red'),
        ('1,"Shirts","2011",', ""),
        ("1,Shirts,2011,trailing,", "trailing,"),
        ('1,Shirts,2011,"two\nlines, of ""it"""', 'two\nlines, of "it"'),
    ],
)
def test_the_last_column_takes_what_can_only_be_its(csv, line, name):
    table = read_table(csv(f"{HEADER}{line}\n2,Jeans,2012,After\n3,Shirts,2011,After\n"))
    assert table.columns.tolist() == ["id", "articleType", "year", "productDisplayName"]
    assert table.loc[0].tolist() == ["1", "Shirts", "2011", name]
    assert table.loc[1].tolist() == ["2", "Jeans", "2012", "After"]
    assert len(table) == 3


SHIFTED = [f"{i},Soft thing {i},{('Bags', 'Hats')[i % 2]},Summer" for i in range(3, 9)]


@pytest.mark.parametrize(
    "line",
    [
        "2,Soft, warm thing,Bags,Summer",  # would be the class "warm thing"
        "2,Soft, Bags,Hats,Summer",  # could be either
        "2,Bags,Soft, warm,Summer",
        '2,"Soft, warm thing,Bags,Summer',
        '2,"Soft" warm, thing,Bags,Summer',
        '2,"Soft",warm, thing,Bags,Summer',
        '2,a "b, c",Bags,Summer',
        "2,Soft,Bags",
        '2,"two\nlines",Bags,Summer,more',
        '2,Soft,Bags,"never closed',
    ],
)
def test_a_row_that_could_be_read_in_another_way_is_refused_with_its_line(csv, line):
    text = "\n".join(["id,name,articleType,season", SHIFTED[0], line, *SHIFTED[1:]])
    message = refused(csv(text + "\n"))
    assert "styles.csv line 3 has " in message
    assert message.endswith(
        "Put double quotes around a text that holds commas, quotes or line breaks, and double the "
        "quotes in it."
    )


def test_a_surplus_comma_in_a_last_column_that_names_classes_is_refused(csv):
    assert "has 3 cells, the header has 2" in refused(csv("id,articleType\n1,a\n2,a,b\n"))


def test_rows_of_a_class_that_only_they_have_are_not_certain(csv):
    text = "id,articleType,name\n1,Bags,a\n2,Bags,b\n3,Hats,c, d\n"
    assert "line 4 has 4 cells, the header has 3: '3,Hats,c, d'" in refused(csv(text))


def test_quoted_line_breaks_are_read_and_lines_counted(csv):
    text = (
        'id,note,articleType\n1,"Soft, warm.\r\nModel 0, ""red""",Bags\n\n2,"a\n\nb",Hats\n'
        "1,c,Hats\n"
    )
    assert "duplicate ids: 1 (styles.csv line 2, styles.csv line 8)" in refused(csv(text))
    table = read_table(csv(text.removesuffix("1,c,Hats\n")))
    assert table["note"].tolist() == ['Soft, warm.\r\nModel 0, "red"', "a\n\nb"]
    assert table["articleType"].tolist() == ["Bags", "Hats"]


def test_a_quoted_comma_before_the_last_column_is_not_a_separator(csv):
    table = read_table(csv('id,note,articleType\n1,"a, ""b""",Shirts\n2,3" wide,Jeans\n'))
    assert table["note"].tolist() == ['a, "b"', '3" wide']
    assert table["articleType"].tolist() == ["Shirts", "Jeans"]


def test_names_that_look_alike_are_one(csv):
    text = "id,cate\u0301gorie,name\n1,Ve\u0301lo,e\u0301\nu\u0308,V\u00e9lo ,x\n"
    table = read_table(csv(text), "cat\u00e9gorie")
    assert table["cat\u00e9gorie"].tolist() == ["V\u00e9lo", "V\u00e9lo"]
    assert table["id"].tolist() == ["1", "\u00fc"]
    assert "duplicate ids: \u00fc" in refused(csv("id,articleType\nu\u0308,a\n\u00fc,b\n"))


def test_everything_is_text_and_nothing_is_taken_for_missing(csv):
    table = read_table(csv("id,articleType,season\n007,NA,\n1,nan,NA\n"))
    assert table.values.tolist() == [["007", "NA", ""], ["1", "nan", "NA"]]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_bom_line_ends_blank_lines_and_spaces_around_ids_and_labels(csv, newline):
    text = newline.join(["\ufeffid,articleType,x", " 1 , Shirts ,a b", "", "2,Jeans,\x85\u2028"])
    table = read_table(csv(text))
    assert table.values.tolist() == [["1", "Shirts", "a b"], ["2", "Jeans", "\x85\u2028"]]


def test_rows_without_a_label_and_files_without_the_column_are_kept(csv):
    table = read_table(csv("id,articleType\n1,Shirts\n2,\n3,  \n4,Jeans\n"))
    assert table["articleType"].tolist() == ["Shirts", "", "", "Jeans"]
    bare = csv("id,x\n5,a\n", "bare.csv")
    assert read_table(bare).columns.tolist() == ["id", "x"]
    both = read_table([csv("id,articleType\n1,Shirts\n"), bare])
    assert both["articleType"].tolist() == ["Shirts", ""]


def test_several_files_are_one_table(csv):
    one = csv("id,articleType,x\n1,Shirts,a\n", "one.csv")
    two = csv("id,articleType,y\n2,Jeans,b\n", "two.csv")
    table = read_table([one, str(two)])
    assert table.columns.tolist() == ["id", "articleType", "x", "y"]
    assert table.values.tolist() == [["1", "Shirts", "a", ""], ["2", "Jeans", "", "b"]]


def test_duplicate_ids_are_named_with_their_lines(csv):
    rows = "".join(f"{i},Shirts\n{i},Jeans\n" for i in range(7))
    message = refused(csv("id,articleType\n" + rows))
    assert message == (
        "duplicate ids: 0 (styles.csv line 2, styles.csv line 3), "
        "1 (styles.csv line 4, styles.csv line 5), 2 (styles.csv line 6, styles.csv line 7), "
        "3 (styles.csv line 8, styles.csv line 9), 4 (styles.csv line 10, styles.csv line 11) "
        "and 2 more. Each image needs one row: remove the others."
    )


def test_duplicates_across_files_count_blank_lines(csv):
    one = csv("id,articleType\n\n1,Shirts\n", "one.csv")
    two = csv("id,articleType\n 1,Jeans\n", "two.csv")
    assert "duplicate ids: 1 (one.csv line 3, two.csv line 2)." in refused([one, two])


@pytest.mark.parametrize("bad", ["../1", "a/b", "a\\b", "..", "1..2"])
def test_an_id_cannot_leave_the_image_folder(csv, bad):
    message = refused(csv(f"id,articleType\n1,Shirts\n{bad},Shirts\n"))
    assert f"styles.csv line 3 has the id {bad!r}" in message
    assert "must not hold '/', '\\' or '..'" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "styles.csv is empty: it needs a header line and a row for each image."),
        ("\n \n", "is empty: it needs a header"),
        (HEADER, "has a header but no rows: it needs a row for each image."),
        ("id,articletype\n1,a\n", "its columns are: id, articletype. Did you mean 'articletype'?"),
        ("ids,articleType\n1,a\n", "has no column 'id'; its columns are: ids, articleType. Did "),
        ("id;articleType\n1;a\n", "Separate the columns by commas, not by semicolons or tabs."),
        ("id,articleType,id\n1,a,2\n", "the header names 'id' twice: rename one of the columns."),
        ("id,articleType\n1,a\n ,b\n", "styles.csv line 3 has an empty id: an id names the image"),
        (HEADER + "1,Shirts,2011,x\n2,Shirts\n", "line 3 has 2 cells, the header has 4: '2,Shir"),
        (HEADER + '1,"a, b",2011\n', "line 2 has 3 cells, the header has 4"),
        ("id,articleType\n1,Shirts,red\n", "has 3 cells, the header has 2: '1,Shirts,red'"),
    ],
)
def test_bad_tables_are_refused(csv, text, expected):
    assert expected in refused(csv(text))


def test_missing_file_folder_and_no_file(tmp_path):
    message = refused(tmp_path / "none.csv")
    assert f"CSV file not found: {tmp_path / 'none.csv'}. Relative paths start at" in message
    assert "is a folder, not a CSV file: give the path of the file in it." in refused(tmp_path)
    assert refused([]) == "no CSV file was given: name at least one."


def test_not_utf8(csv):
    message = refused(csv("id,articleType\n1,Shirts\n2,Jupes d'été\n", encoding="latin-1"))
    assert "styles.csv line 3 is not UTF-8 text: save the file as UTF-8." in message


def test_a_picture_is_no_csv(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.png")
    message = refused(tmp_path / "photo.png")
    assert "photo.png is not a text file: give a CSV, a text with a header line" in message


def test_digest(csv):
    one, two = csv("a", "one.csv"), csv("b", "two.csv")
    assert digest(one) == hashlib.sha256(b"a").hexdigest() == digest([str(one)])
    assert len({digest(one), digest(two), digest([one, two]), digest([two, one])}) == 4


def test_write_is_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    write_text("old\n", path)

    def broken(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(UserError, match=r"a\.csv cannot be written \(No space left on device\)"):
        write_text("new\n", path)
    assert path.read_text() == "old\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.csv"]


def test_a_column_that_must_be_there_is_named_with_its_option(csv):
    path = csv("id,kind\n1,a\n")
    with pytest.raises(UserError) as caught:
        read_rows(path, ("articleType",), named_by={"articleType": "--label-column"})
    assert str(caught.value) == (
        f"{path} has no column 'articleType'; its columns are: id, kind. Name another with "
        "--label-column, or add the column."
    )
    with pytest.raises(UserError, match="Name one of these, or add the column"):
        read_rows(path, ("articleType",))
    assert "Name another with create_splits.sh --id-column" in refused(csv("photo,kind\n1,a\n"))


def test_write_refuses_missing_folders(tmp_path):
    with pytest.raises(UserError, match="Choose a folder that exists and is writable"):
        write_text("", tmp_path / "no" / "a.csv")


def test_what_is_missing_is_written_empty(tmp_path):
    table = pd.DataFrame({"id": ["1", "2"], "x": [0.5, float("nan")], "y": [1, 2]})
    write_table(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "id,x,y\n1,0.5,1\n2,,2\n"


CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
QUOTED = st.text(st.sampled_from('a", \r\n'), max_size=6)


@settings(max_examples=60)
@given(st.lists(st.tuples(CELL | QUOTED, CELL | QUOTED), min_size=1, max_size=6))
def test_what_is_written_is_read_back(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("table") / "t.csv"
    table = pd.DataFrame(cells, columns=["x", "y"], dtype=str)
    table.insert(0, "id", [str(i) for i in range(len(cells))])
    write_table(table, path)
    assert read_rows(path).values.tolist() == table.values.tolist()


@settings(max_examples=60)
@given(st.lists(st.tuples(CELL | QUOTED, QUOTED), min_size=1, max_size=6), st.integers(1, 2))
def test_lines_are_those_of_a_csv_writer(cells, columns):
    table = pd.DataFrame(cells, columns=["x", "y,"], dtype=str).iloc[:, :columns]
    lines = []
    # rows that end so have cells quoted that hold either of the two
    out = writer(SimpleNamespace(write=lines.append), lineterminator="\r\n")
    out.writerows([table.columns.tolist(), *table.to_numpy().tolist()])
    assert [f"{line}\r\n" for line in csv_lines(table)] == lines


@settings(max_examples=60)
@given(
    st.lists(st.tuples(QUOTED, st.sampled_from(["Bags", "Hats"]), QUOTED), min_size=1, max_size=6),
    st.sets(st.integers(0, 5)),
)
def test_no_class_is_ever_made_of_a_text(tmp_path_factory, rows, unquoted):
    """Whatever quotes are left out, labels are right or the file is refused, unless what is left
    is a whole row.
    """
    path = tmp_path_factory.mktemp("table") / "t.csv"
    lines = ["id,name,articleType,note"]
    for i, (name, label, note) in enumerate(rows):
        texts = [name, label, note]
        if i not in unquoted:
            texts = ['"' + text.replace('"', '""') + '"' for text in texts]
        lines.append(",".join([str(i), *texts]))
        if i in unquoted:
            assume(not says_something_else(lines[-1], [str(i), *texts]))
    path.write_bytes(("\n".join(lines) + "\n").encode())
    try:
        table = read_table(path)
    except UserError:
        return
    assert set(table["articleType"]) <= {"Bags", "Hats", ""}


def says_something_else(line, texts):
    """Whether it is a whole row by RFC 4180, of other texts than were meant: nobody can tell."""
    try:
        (cells,) = reader(io.StringIO(line, newline=""), strict=True)
    except (Error, ValueError):
        return False
    return len(cells) == len(texts) and cells != texts


def test_a_class_that_no_other_row_has_is_in_doubt_beside_one_that_others_have(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('id,name,articleType,note\n0,"",Bags,""\n1,"",Bags,""\n2,,a,Bags,a\n')
    with pytest.raises(UserError, match="line 4 has 5 cells, the header has 4"):
        read_table(path)


def test_a_class_that_only_rows_with_a_surplus_comma_have_is_told_by_the_columns_behind_it(
    tmp_path,
):
    path = tmp_path / "t.csv"
    rows = [f"{i},Shirts,{2000 + i},Shirt" for i in range(4)]
    path.write_text("\n".join(["id,articleType,year,name", *rows, "9,Perfume,2017,Perfume, big\n"]))
    table = read_table(path)
    assert table.loc[4].tolist() == ["9", "Perfume", "2017", "Perfume, big"]


def test_a_class_may_hold_the_comma_where_no_column_behind_it_tells(csv):
    rows = "".join(f"{i},Shirts,text {i}\n" for i in range(4))
    message = refused(csv(f"id,articleType,name\n{rows}9,Shirts, long,blue\n"))
    assert "line 6 has 4 cells, the header has 3: '9,Shirts, long,blue'" in message


def test_a_surplus_comma_that_would_move_a_number_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    rows = [f"{i},text {i},Shirts,{2000 + i},Shirt" for i in range(4)]
    header = "id,description,articleType,year,name"
    path.write_text("\n".join([header, *rows, "9,a nice, warm thing,Hats,2017,Hat\n"]))
    with pytest.raises(UserError, match="line 6 has 6 cells, the header has 5"):
        read_table(path)


@settings(max_examples=150)
@given(st.text(st.sampled_from('ab, "\n\r'), max_size=40))
def test_a_table_read_at_once_is_that_read_row_by_row(text):
    lines = Lines(text.encode())
    at_once = csv_file._read_whole(Path("t.csv"), ["x", "y"], lines, 0)
    row_by_row = csv_file._read_rows(Path("t.csv"), ["x", "y"], lines, 0)
    if at_once is None:  # a quote is not well-formed
        assert not all(row_by_row.odd.values())
    else:
        assert rows_of(at_once) == rows_of(row_by_row)
        assert [*at_once.lines] == row_by_row.lines


def test_a_table_of_records_of_several_lines_and_blank_lines_is_read_at_once(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text('id,name,articleType\r\n\r\n1,"a, ""b""\nc",Hats\r\n2, d ,Bags\n \n3,"",Hats')
    monkeypatch.setattr(csv_file, "_read_rows", None)
    sheet = csv_file.read_sheet(path, {"id": ""})
    assert rows_of(sheet) == [["1", 'a, "b"\nc', "Hats"], ["2", " d ", "Bags"], ["3", "", "Hats"]]
    assert list(sheet.lines) == [3, 5, 7]


def test_a_row_with_a_comma_too_many_does_not_have_the_file_read_record_by_record(csv, monkeypatch):
    monkeypatch.setattr(csv_file, "_read_rows", None)
    rows = "".join(f"{i},Shirts,2011,Plain\n" for i in range(4))
    table = read_table(csv(f'{HEADER}{rows}\n8,Shirts,2011,Tempo 3.5" Short\n9,Shirts,2011,a, b\n'))
    assert table["productDisplayName"].tolist()[4:] == ['Tempo 3.5" Short', "a, b"]
