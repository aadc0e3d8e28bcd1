import dataclasses
import itertools
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.__main__ import main
from fewshot.data.splits.classes import FewShotPlan
from fewshot.data.splits.command import create_splits
from fewshot.data.splits.parting import Parting, parse_years
from fewshot.data.splits.rows import SplitPlan, split
from fewshot.data.tables.table import read_rows
from fewshot.errors import UserError

REPOSITORY = Path(__file__).parents[3]

# The malformed kinds of the real file: unquoted commas, bare quotes, no year, a class in product
# names of others, a class of the test years only.
STYLES = """id,gender,articleType,year,productDisplayName
10,Men,Shirts,2010,Check Shirt
11,Men,Shirts,2011,Tie, Cufflink and Shirts
12,Men,Shirts,2012,Tempo 3.5" Pink Shirt
13,Women,Jeans,2012.0,Jeans for Shirts
14,Women,Jeans,2013,Liv,Laugh,Love
15,Women,Jeans,2014,"quoted, name"
16,Men,Socks,2012,Socks
17,Men,Perfume,2017,Perfume, After Shave Balm and Shower Gel Set
18,Men,Socks,,Lost Socks
19,Men,,2012,Nothing
20,Men,Belts,2016,5" wide, and "long" belt
21,Men,Belts,2011,Plain
"""


@pytest.fixture
def styles(tmp_path):
    path = tmp_path / "styles.csv"
    path.write_text(STYLES)
    return path


def ids(directory, name):
    return pd.read_csv(directory / f"{name}.csv", dtype=str)["id"].tolist()


PARTING = {field.name for field in dataclasses.fields(Parting)}


def planned(**options):
    """A plan whose options of parting are given beside the others."""
    parting = {name: options.pop(name) for name in PARTING & options.keys()}
    return SplitPlan(parting=Parting(**parting), **options)


def refused(styles, **options):
    with pytest.raises(UserError) as caught:
        create_splits(styles, styles.parent / "out", planned(**options))
    return str(caught.value)


def test_files_of_the_contract(styles, tmp_path):
    out = tmp_path / "new" / "out"
    report = create_splits(styles, out, planned(top=2))
    # Belts, Jeans 3 of them, Shirts 3, Socks 2 with the one that has no year
    assert ids(out, "train_top2") == ["10", "12", "13", "15"]
    assert ids(out, "train_other") == ["16", "20"]
    assert ids(out, "train") == ["10", "12", "13", "15", "16", "20"]
    assert ids(out, "test") == ["11", "14", "17", "21"]
    assert ids(out, "test_top2") == ["11", "14"]
    assert ids(out, "test_other") == ["17", "21"]
    assert (out / "classes.txt").read_text() == "Belts\nJeans\nPerfume\nShirts\nSocks\n"
    assert report.dropped == [("18", "no year (found '')"), ("19", "no articleType")]
    assert {path.name for path in out.iterdir()} == {*report.files, "classes.txt", "splits.json"}
    table = pd.read_csv(out / "test.csv", dtype=str)
    assert table.columns.tolist() == STYLES.splitlines()[0].split(",")
    assert table["productDisplayName"].tolist() == [
        "Tie, Cufflink and Shirts",
        "Liv,Laugh,Love",
        "Perfume, After Shave Balm and Shower Gel Set",
        "Plain",
    ]


def test_report_and_manifest(styles, tmp_path):
    report = create_splits(styles, tmp_path / "out", planned(top=2, per_class=(1, 2)))
    lines = str(report).splitlines()
    assert lines[0] == f"{styles}: 12 rows, 5 types"
    assert "train.csv                    6      4" in lines
    assert "  id 18: no year (found '')" in lines
    assert "1 of the 4 test types (1 rows) have no training row: Perfume (1)" in lines
    assert (
        "train_2_per_class.csv: 2 types have fewer than 2 training rows, all kept: "
        "Belts (1), Socks (1)" in lines
    )
    manifest = json.loads((tmp_path / "out" / "splits.json").read_text())
    assert manifest["plan"]["per_class"] == [1, 2]
    assert manifest["files"]["train_1_per_class.csv"] == {"rows": 4, "types": 4}
    assert manifest["dropped"][1] == {"id": "19", "reason": "no articleType"}


def test_many_dropped_rows_are_all_in_the_manifest(tmp_path):
    csv = tmp_path / "a.csv"
    lost = "".join(f"x{i},a,none\n" for i in range(25))
    csv.write_text("id,articleType,year\n1,a,2010\n2,a,2011\n" + lost)
    report = create_splits(csv, tmp_path / "out", planned(top=1))
    assert (
        "  25 rows: no year (found 'none') (ids x0, x1, x2, x3, x4 and 20 more, all named in "
        "splits.json)" in str(report).splitlines()
    )
    assert len(json.loads((tmp_path / "out" / "splits.json").read_text())["dropped"]) == 25


def test_a_second_run_leaves_nothing_stale_and_the_same_options_give_the_same_bytes(
    styles, tmp_path
):
    out = tmp_path / "out"
    create_splits(styles, out, planned(top=2, validation=0.3))
    first = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "mine.csv").write_text("kept")
    report = create_splits(styles, out, planned(top=1))
    assert sorted(report.removed) == [
        "test_top2.csv",
        "train_top2.csv",
        "validation.csv",
        "validation_other.csv",
        "validation_top2.csv",
    ]
    assert "removed files of an earlier split: " in str(report)
    assert (out / "mine.csv").exists() and not (out / "validation.csv").exists()
    (out / "mine.csv").unlink()
    create_splits(styles, out, planned(top=2, validation=0.3))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == first


def test_a_failed_write_changes_nothing(styles, tmp_path, monkeypatch):
    out = tmp_path / "out"
    create_splits(styles, out, planned(top=2, validation=0.3))
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(UserError, match="No space left on device"):
        create_splits(styles, out, planned(top=1))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_the_folder_is_refused_when_it_cannot_be_written_or_holds_the_source(styles, tmp_path):
    with pytest.raises(UserError, match=r"cannot make the folder .*: Not a directory\."):
        create_splits(styles, styles / "out", planned(top=2))
    source = tmp_path / "train.csv"
    source.write_text(STYLES)
    with pytest.raises(
        UserError, match=r"would overwrite .*train\.csv, the CSV they are made from"
    ):
        create_splits(source, tmp_path, planned(top=2))
    assert source.read_text() == STYLES
    (tmp_path / "splits.json").write_text("[]")
    with pytest.raises(UserError, match=r"was not written by create_splits\.sh, or is damaged"):
        create_splits(styles, tmp_path, planned(top=2))


def test_years():
    texts = ["2012", "2012.0", " 2011 ", "2013.", "", "NA", "2012.5", "-2", "2012-05-01", "1e3"]
    years = parse_years(pd.Series(texts, dtype=str))
    assert years.tolist() == [2012, 2012, 2011, 2013, -1, -1, -1, -1, -1, -1]


def test_validation_years(styles, tmp_path):
    create_splits(styles, tmp_path / "out", planned(top=2, validation_years=(2012, 2016)))
    assert ids(tmp_path / "out", "validation") == ["12", "13", "16", "20"]
    assert ids(tmp_path / "out", "validation_top2") == ["12", "13"]
    assert ids(tmp_path / "out", "train") == ["10", "15"]
    assert ids(tmp_path / "out", "test") == ["11", "14", "17", "21"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"top": 6}, "the top 6 classes were asked for, but the file has 5: give --top a number"),
        ({"top": 0}, "give --top a number from 1 to 5."),
        ({"validation": 1.5}, "--validation is a fraction between 0 and 1, not 1.5."),
        ({"validation": -0.1}, "--validation is a fraction between 0 and 1, not -0.1."),
        (
            {"validation_years": (2012, 2013)},
            "validation year 2013 is not a year of training rows, which are: 2010, 2012, 2014",
        ),
        (
            {"validation_years": (2010, 2012, 2014, 2016)},
            "the validation years leave no training row: name fewer of them.",
        ),
        ({"per_class": (0,)}, "--per-class needs at least 1 row a class, not 0."),
        ({"label_column": "articletype"}, "Did you mean 'articleType'?"),
        (
            {"few_shot": FewShotPlan(3, min_per_class=1, validation_classes=1)},
            "3 base and 1 validation classes leave 1 novel classes of the 5 with at least 1 rows",
        ),
        (
            {"few_shot": FewShotPlan(2, draw=0, min_per_class=2)},
            "2 base and 0 validation classes leave 1 novel classes of the 3 with at least 2 rows",
        ),
        (
            {"few_shot": FewShotPlan(1, draw=0, min_per_class=3)},
            "1 base and 0 validation classes leave 1 novel classes",
        ),
        (
            {"few_shot": FewShotPlan(2, combination=6, min_per_class=1)},
            "combination 6 does not exist: there are 6 ways to choose 2 base classes of 4, ",
        ),
        ({"few_shot": FewShotPlan(0)}, "few-shot splits need at least 1 base class (found 0)"),
        ({"few_shot": FewShotPlan(1, draw=0, combination=0)}, "by a draw or by a combination"),
    ],
)
def test_bad_options_are_refused(styles, options, expected):
    assert expected in refused(styles, **({"top": 2} | options))
    assert not (styles.parent / "out").exists()


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("1,a,2011\n2,b,2013\n", "no row has an even year, so the training split would be empty"),
        ("1,a,2010\n2,b,2012\n", "no row has an odd year, so the test split would be empty"),
        ("1,a,\n2,b,x\n", "years found: none."),
        ("1,a,2010\n2,b,2012\n3,a,2011\n", "no class has two training rows (or groups"),
    ],
)
def test_tables_that_cannot_be_split(tmp_path, rows, expected):
    csv = tmp_path / "a.csv"
    csv.write_text("id,articleType,year\n" + rows)
    assert expected in refused(csv, top=1, validation=0.1)


def test_no_year_column(tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_text("id,articleType\n1,a\n")
    message = refused(csv, top=1)
    assert "has no column 'year', by which rows are split" in message
    assert "Give --test-fraction 0.2 to draw the test rows, or --parts FILE." in message


def test_all_that_a_csv_lacks_is_told_at_once(tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_text("SKU,kind\n1,a\n2,b\n")
    message = refused(csv)
    for option in ("--id-column NAME", "--label-column NAME", "--test-fraction 0.2", "--top N"):
        assert option in message
    assert "its columns are: SKU, kind." in message
    message = refused(csv, id_column="SKU", label_column="kind")
    assert "no column 'year' (give --test-fraction 0.2" in message
    assert "no 20 types but 2 (give --top, at most 2)" in message


def test_columns_are_named_as_the_file_has_them(tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_text("SKU,id,articleType\n1,x,a\n")
    assert "the columns are: SKU, id, articleType." in refused(csv, top=1, id_column="SKU")


def test_types_that_differ_only_in_capitals_are_told(tmp_path):
    csv = tmp_path / "a.csv"
    csv.write_text("id,articleType,year\n1,Shirts,2010\n2,Shirts,2011\n3,shirts,2010\n4,b,2011\n")
    [note] = [note for note in create_splits(csv, tmp_path / "out", SplitPlan(top=1)).notes
              if "capitals" in note]  # fmt: skip
    assert note.startswith("types that differ only in capitals: Shirts (2), shirts (1)")
    assert "--corrections" in note


# ---- the command line


def test_command_line(styles, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--top", "2", "--few-shot", "--base-classes", "1", "--min-per-class", "1"]
    options += ["--validation-classes", "1", "--per-class", "1"]
    assert main(["splits", str(styles), str(out), *options]) == 0
    assert "train_top2.csv" in capsys.readouterr().out
    assert ids(out, "base") == ["13", "15"]  # Jeans before Shirts: both 3 rows with a year
    assert ids(out, "novel_validation") == ["10", "11", "12"]
    assert ids(out, "novel") == ["16", "17", "20", "21"]
    assert main(["splits", str(styles), str(out), "--top", "9"]) == 2
    assert capsys.readouterr().err.startswith("error: the top 9 classes were asked for")
    assert main(["splits", str(styles), str(out), "--top", "2", "--base-classes", "1"]) == 2
    assert "add --few-shot, --few-shot-draw SEED or" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--validation-years", "2012;2014"], "'2012;2014' is not a list of years"),
        (["--test-fraction", "0.1", "--parts", "x.csv"], "not allowed with argument"),
        (["--few-shot", "--few-shot-draw", "1"], "not allowed with argument"),
    ],
)
def test_bad_command_lines(arguments, expected, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["splits", "a.csv", "out", *arguments])
    assert caught.value.code == 2
    assert expected in capsys.readouterr().err


def test_the_script_works_from_any_folder(styles, tmp_path):
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the working directory ran')")
    script = REPOSITORY / "create_splits.sh"
    command = ["sh", str(script), "styles.csv", "out put", "--top", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert ids(tmp_path / "out put", "train_top2") == ["10", "12", "13", "15"]
    done = subprocess.run(["sh", str(script), "no.csv", "x"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 2 and b"CSV file not found: no.csv" in done.stderr


def test_splits_start_without_torch():
    code = "import sys, fewshot.data.splits.command; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY).returncode == 0


# ---- properties

CLASSES = st.sampled_from(["Tops", "Jeans", "Belts", "Socks", "", "Hats"])
YEARS = st.sampled_from(["2010", "2011", "2012.0", "2013", "2014", ""])


@st.composite
def tables(draw):
    cells = draw(st.lists(st.tuples(CLASSES, YEARS), min_size=4, max_size=40))
    fixed = [("Tops", "2010")] * 3 + [("Jeans", "2011"), ("Belts", "2012")]
    frame = pd.DataFrame(fixed + cells, columns=["articleType", "year"], dtype=str)
    frame.insert(0, "id", [f"i{i}" for i in range(len(frame))])
    return frame


FEW_SHOT = st.builds(
    FewShotPlan,
    base_classes=st.just(1),
    draw=st.none() | st.integers(0, 50),
    validation_classes=st.just(0),
    min_per_class=st.just(1),
)
PLANS = st.builds(
    SplitPlan,
    top=st.integers(1, 3),
    parting=st.builds(
        Parting,
        test_fraction=st.sampled_from([None, 0.2]),
        validation=st.sampled_from([0.0, 0.1, 0.5, 0.9]),
    ),
    per_class=st.just((1, 2, 4)),
    few_shot=st.none() | FEW_SHOT,
    seed=st.integers(0, 9),
)


@settings(max_examples=30)
@given(tables(), PLANS)
def test_splits_partition_the_rows(table, plan):
    splits = split(table, plan)
    found = {name: part["id"].tolist() for name, part in splits.tables.items()}
    parts = [name for name in ("train", "validation", "test") if name in found]
    whole = sum((found[name] for name in parts), [row_id for row_id, _ in splits.dropped])
    assert sorted(whole) == sorted(table["id"])
    ranked = sorted(Counter(label for label in table["articleType"] if label).items())
    top = [name for name, _ in sorted(ranked, key=lambda item: -item[1])[: plan.top]]
    position = {row_id: i for i, row_id in enumerate(table["id"])}
    for name in parts:
        assert found[name] == sorted(found[name], key=position.get)
        both = found[f"{name}_top{plan.top}"] + found[f"{name}_other"]
        assert sorted(both) == sorted(found[name])
        assert set(splits.tables[f"{name}_top{plan.top}"]["articleType"]) <= set(top)
        assert not set(splits.tables[f"{name}_other"]["articleType"]) & set(top)
    trained = set(splits.tables["train"]["articleType"])
    if "validation" in found:
        assert set(splits.tables["validation"]["articleType"]) <= trained


@settings(max_examples=30)
@given(tables(), PLANS, st.randoms(use_true_random=False))
def test_what_is_drawn_does_not_depend_on_the_order_of_rows(table, plan, random):
    order = list(range(len(table)))
    random.shuffle(order)
    shuffled = split(table.iloc[order].reset_index(drop=True), plan)
    straight = split(table, plan)
    assert straight.tables.keys() == shuffled.tables.keys()
    for name, part in straight.tables.items():
        assert set(part["id"]) == set(shuffled.tables[name]["id"]), name


@settings(max_examples=30)
@given(tables(), PLANS)
def test_few_label_sets_are_nested_and_full(table, plan):
    tables_ = split(table, plan).tables
    train = tables_["train"]["articleType"].value_counts()
    for small, large in itertools.pairwise((1, 2, 4)):
        inner, outer = tables_[f"train_{small}_per_class"], tables_[f"train_{large}_per_class"]
        assert set(inner["id"]) <= set(outer["id"]) <= set(tables_["train"]["id"])
        assert outer["articleType"].value_counts().to_dict() == {
            name: min(count, large) for name, count in train.items()
        }


def test_few_shot_tables_hold_whole_classes_and_no_test_row_is_trained_on(tmp_path):
    rows = [f"{i},c{i % 9},{2010 + i // 9 % 3}" for i in range(9 * 24)]
    csv = tmp_path / "a.csv"
    csv.write_text("id,articleType,year\n" + "\n".join(rows) + "\nz,rare,2010\n")
    for plan in (
        FewShotPlan(4, validation_classes=2, min_per_class=10),
        FewShotPlan(4, draw=3, validation_classes=2, min_per_class=10),
        FewShotPlan(4, combination=77, validation_classes=2, min_per_class=10),
    ):
        report = create_splits(csv, tmp_path / "out", planned(top=2, few_shot=plan, validation=0.1))
        names = ("base", "novel_validation", "novel")
        found = {name: read_rows(tmp_path / "out" / f"{name}.csv") for name in names}
        classes = [set(table["articleType"]) for table in found.values()]
        assert [len(names) for names in classes] == [4, 2, 3]
        assert len(set.union(*classes)) == 9 and "rare" not in set.union(*classes)
        assert set(found["base"]["id"]) <= set(ids(tmp_path / "out", "train"))
        assert len(found["novel"]) == 3 * 24 and len(found["novel_validation"]) == 2 * 24
        assert "few-shot: 1 types with fewer than 10 rows are left out" in report.notes


def test_a_frequent_class_without_training_rows_is_named(tmp_path):
    csv = tmp_path / "a.csv"
    rows = [f"p{i},Perfume,2011\n" for i in range(4)] + ["s,Shirts,2010\n", "b,Belts,2010\n"]
    csv.write_text("id,articleType,year\n" + "".join(rows))
    plan = FewShotPlan(1, min_per_class=1)
    report = create_splits(csv, tmp_path / "out", planned(top=1, few_shot=plan))
    assert report.files["base.csv"] == (0, 0)
    assert "base classes without a training row: Perfume" in report.notes[-1]
