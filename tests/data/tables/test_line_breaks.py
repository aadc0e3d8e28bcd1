"""Quotes that were not meant swallow no row unsaid."""

import pytest

from fewshot.data.tables.table import read_table
from fewshot.errors import UserError

HEADER = "id,articleType,name\n"
ADVICE = (
    "A quote that stands for inches, or alone, swallows the rows up to the next one: put double "
    "quotes around such a text, and double the quotes in it."
)


@pytest.fixture
def csv(tmp_path):
    def write(text):
        path = tmp_path / "t.csv"
        path.write_text(text)
        return path

    return write


def test_rows_between_two_stray_quotes_are_refused(csv):
    path = csv(HEADER + '1,Shirt,"Big\n2,Shoe,red\n3,Hat,17"\n4,Hat,x\n')
    with pytest.raises(UserError) as caught:
        read_table(path)
    assert str(caught.value) == (
        f"{path} line 2 begins a quoted text that goes on over line 4, which is a row by itself: "
        f"'3,Hat,17\"'. {ADVICE}"
    )


def test_what_may_be_a_row_is_warned_of(csv, caplog):
    path = csv(HEADER + '1,Shirt,"Big\n2,Shoe,red\n3,Shoe,17"\n4,Hat,x\n')
    assert len(read_table(path)) == 2
    assert (
        f"{path}: 2 lines lie inside of quoted texts, and may be rows of their own: 3, 4."
        in caplog.text
    )


@pytest.mark.parametrize(
    ("rows", "column"),
    [
        ('1,"Shirt,x\n2,Shoe",y\n3,Hat,z\n', "articleType"),
        ('"1\n2",Shirt,y\n3,Hat,z\n', "id"),
        ('1,"Shirt\r2",y\n3,Hat,z\n', "articleType"),
    ],
)
def test_names_are_of_one_line(csv, rows, column):
    with pytest.raises(UserError, match=f"line 2 has a line break in its {column}: .*{ADVICE}"):
        read_table(csv(HEADER + rows))


def test_texts_of_several_lines_are_no_rows(csv, caplog):
    text = '1,Shirt,"a ""nice"" one\n\nwarm, blue, of wool\n"\n2,"Hat\n","x"\n\n3,Shirt,z\n'
    table = read_table(csv(HEADER + text))
    assert table["articleType"].tolist() == ["Shirt", "Hat", "Shirt"]
    assert table["name"][0] == 'a "nice" one\n\nwarm, blue, of wool\n'
    assert not caplog.records
