import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.data.splits.listed import read_parts
from fewshot.errors import UserError

STYLES = "id,articleType\n" + "".join(f"{i},t{i % 6}\n" for i in range(24))
IDS = "id,split\n" + "".join(f"{i},{('train', 'val', 'Test')[i % 3]}\n" for i in range(21))
TYPES = "articleType,part\nt0,base\nt1,base\nt2,base\nt3,novel\nt4,novel\n"


@pytest.fixture
def files(tmp_path):
    def write(parts):
        (tmp_path / "styles.csv").write_text(STYLES)
        (tmp_path / "parts.csv").write_text(parts)
        csv, out, parts = (str(tmp_path / name) for name in ("styles.csv", "out", "parts.csv"))
        return ["splits", csv, out, "--top", "2", "--parts", parts]

    return write


def ids(tmp_path, name):
    return pd.read_csv(tmp_path / "out" / f"{name}.csv", dtype=str)["id"].astype(int).tolist()


def test_ids(files, tmp_path, capsys):
    assert main(files(IDS + "99,train\n")) == 0
    assert ids(tmp_path, "train") == list(range(0, 21, 3))
    assert ids(tmp_path, "validation") == list(range(1, 21, 3))
    assert ids(tmp_path, "test") == list(range(2, 21, 3))
    assert ids(tmp_path, "train_top2") == [0, 6, 12, 18]
    printed = capsys.readouterr().out
    assert "rows in no split: 3\n  id 21: not in parts.csv" in printed
    assert "1 ids of parts.csv are not in the CSV: 99" in printed
    assert "parts.csv" in (tmp_path / "out" / "splits.json").read_text()


def test_a_validation_part_is_drawn_from_listed_training_rows(files, tmp_path):
    parts = "id,split\n" + "".join(f"{i},{'test' if i > 11 else 'train'}\n" for i in range(24))
    assert main([*files(parts), "--validation", "0.5"]) == 0
    train, validation = ids(tmp_path, "train"), ids(tmp_path, "validation")
    assert sorted(train + validation) == list(range(12)) and len(validation) == 6


def test_types(files, tmp_path, capsys):
    assert main([*files(TYPES), "--validation-classes", "1"]) == 0
    printed = capsys.readouterr().out
    assert "styles.csv: 24 rows, 6 types" in printed
    assert "id 5: its type is not in parts.csv" in printed
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["base.csv", "classes.txt", "novel.csv", "novel_validation.csv", "splits.json"]
    assert [i % 6 for i in ids(tmp_path, "novel")] == [3, 4] * 4
    drawn = {i % 6 for i in ids(tmp_path, "novel_validation")}
    assert len(drawn) == 1 and drawn | {i % 6 for i in ids(tmp_path, "base")} == {0, 1, 2}


def test_listed_validation_types(files, tmp_path):
    assert main(files(TYPES + "t5,validation\n")) == 0
    assert [i % 6 for i in ids(tmp_path, "novel_validation")] == [5] * 4


@pytest.mark.parametrize(
    ("parts", "options", "expected"),
    [
        (IDS, ["--validation", "0.1"], "have validation rows already: give no --validation."),
        (IDS, ["--validation-classes", "2"], "say how to part classes: add --few-shot"),
        ("id,split\nx,train\ny,test\n", [], "are the ids of the two files the same?"),
        (TYPES, ["--few-shot"], "--base-classes and --min-per-class do not go with it."),
        (TYPES, ["--validation", "0.1"], "--group-column and --per-class do not go with it."),
        (TYPES, ["--validation-classes", "2"], "cannot be drawn from the 3 base types"),
        ("articleType,part\nz,base\nt1,novel\n", [], "has a type of the part 'base' of parts.csv"),
    ],
)
def test_options_that_do_not_go_together(files, capsys, parts, options, expected):
    assert main([*files(parts), *options]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,a,b\n1,x,y\n", "'part'; its columns are: id, a, b. Rename them."),
        ("name,part\n1,train\n", "has the columns 'id' (or 'articleType') and 'part'"),
        ("id,part\n1,train\n1,test\n", "lists 1 twice: remove one of the lines."),
        ("id,part\n1,train\n2,tset\n", "has the part 'tset': the parts are train, validation, te"),
        ("id,part\n1,train\n", "lists nothing in the part 'test': add it."),
        ("articleType,part\na,novel\n", "lists nothing in the part 'base': add it."),
    ],
)
def test_bad_lists(tmp_path, text, expected):
    path = tmp_path / "parts.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_parts(path, "articleType")
    assert expected in str(caught.value)


def test_further_columns_and_other_id_columns(tmp_path):
    path = tmp_path / "parts.csv"
    path.write_text("photo,note,part\n a ,x,train\nb,y,test\n")
    found = read_parts(path, "articleType", "photo")
    assert not found.of_types and found.parts == {"a": "train", "b": "test"}


def test_another_id_column_is_called_id(tmp_path):
    csv = tmp_path / "shop.csv"
    csv.write_text("id,photo,kind\n" + "".join(f"{i % 3},f{i},k{i % 2}\n" for i in range(12)))
    options = ["--id-column", "photo", "--label-column", "kind", "--test-fraction", "0.5"]
    assert main(["splits", str(csv), str(tmp_path / "out"), *options, "--top", "1"]) == 0
    table = pd.read_csv(tmp_path / "out" / "train.csv", dtype=str)
    assert table.columns.tolist() == ["original_id", "id", "kind"]
    assert len(table) == 6 and table["id"].str.startswith("f").all()


def test_an_id_column_that_cannot_be_renamed(tmp_path, capsys):
    csv = tmp_path / "shop.csv"
    csv.write_text("id,original_id,photo,articleType\n1,2,3,a\n")
    assert main(["splits", str(csv), str(tmp_path / "out"), "--id-column", "photo"]) == 2
    assert "own column 'id' cannot be kept beside it: rename that one." in capsys.readouterr().err


def test_a_label_column_in_another_form_of_unicode_is_found(tmp_path):
    path = tmp_path / "parts.csv"
    path.write_text("cat\u00e9gorie,part\na,base\nb,novel\n", encoding="utf-8")
    listed = read_parts(path, "cate\u0301gorie")
    assert listed.of_types
    assert listed.parts == {"a": "base", "b": "novel"}
