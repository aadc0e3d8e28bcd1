"""Labels that a person has edited in a report's list come back into the splits."""

import json

import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.data.splits.corrections import corrected
from fewshot.spreadsheet import write_csv


@pytest.fixture
def styles(tmp_path):
    rows = [(str(i), "Hats" if i % 2 else "Bags", 2010 + i % 4 // 2) for i in range(40)]
    table = pd.DataFrame(rows, columns=["id", "articleType", "year"])
    table.to_csv(tmp_path / "styles.csv", index=False)
    return tmp_path


def corrections(folder, name, lines):
    path = folder / name
    pd.DataFrame(lines, columns=["id", "label", "suggested"]).to_csv(path, index=False)
    return f"--corrections={path}"


def split(folder, *options):
    return main(["splits", f"{folder}/styles.csv", f"{folder}/out", "--top", "1", *options])


def labels(folder):
    tables = [pd.read_csv(folder / "out" / f"{name}.csv", dtype=str) for name in ("train", "test")]
    return pd.concat(tables).set_index("id")["articleType"]


def test_edited_rows_are_corrected_and_others_left_alone(styles, capsys):
    first = corrections(styles, "issues.csv", [(0, "Hats", "x"), (1, "Hats", "x"), (2, "", "x")])
    second = corrections(styles, "twins.csv", [(0, "Bags", ""), (7, "Wigs", "")])
    assert split(styles, first, second) == 0
    found = labels(styles)
    assert found["0"] == "Hats"  # the second list does not take it back
    assert found["1"] == "Hats"
    assert "2" not in found
    assert found["7"] == "Wigs"
    assert len(found) == 39
    out = capsys.readouterr().out
    assert "issues.csv: 1 labels corrected, 1 rows left out" in out
    assert "id 2: its label is empty in the corrections" in out
    assert "types that only the corrections name: Wigs" in out
    manifest = json.loads((styles / "out" / "splits.json").read_text())
    assert [path.rsplit("/")[-1] for path in manifest["plan"]["corrections"]] == [
        *("issues.csv", "twins.csv")
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([[("99", "Hats", "")]], "issues0.csv corrects ids that the CSV does not have: 99."),
        (
            [[("0", "Hats", "")], [("0", "Wigs", "")]],
            "issues1.csv and another file correct ids differently: 0.",
        ),
    ],
)
def test_what_cannot_be_corrected_is_refused(styles, capsys, lines, message):
    options = [corrections(styles, f"issues{i}.csv", part) for i, part in enumerate(lines)]
    assert split(styles, *options) == 2
    assert message in capsys.readouterr().err


def test_a_list_handed_back_as_it_was_written_corrects_nothing(tmp_path):
    rows = [("-a1", "@home"), ("=b", "+size"), ("'=c", "'=old"), ("d", "Hats")]
    table = pd.DataFrame(rows, columns=["id", "articleType"])
    path = tmp_path / "label_issues.csv"
    write_csv(table.rename(columns={"articleType": "label"}), path)
    found, emptied, notes = corrected(table, "articleType", [str(path)])
    assert found.equals(table)
    assert emptied == []
    assert notes == [f"{path}: 0 labels corrected, 0 rows left out"]


def test_a_list_of_ones_own_may_have_ids_and_types_as_they_are(tmp_path):
    table = pd.DataFrame([("-a1", "'=old"), ("d", "Hats")], columns=["id", "articleType"])
    path = tmp_path / "mine.csv"
    path.write_text("id,label\n-a1,+new\nd,'=old\n")
    found, _, _ = corrected(table, "articleType", [str(path)])
    assert found["articleType"].tolist() == ["+new", "'=old"]
