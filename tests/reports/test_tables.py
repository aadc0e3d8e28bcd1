import pandas as pd
import pytest

from fewshot.reports.shown_tables import MOST_ROWS, shown, table_text
from fewshot.reports.tables import (
    UNSEEN_NOTE,
    console,
    format_seconds,
    format_value,
    is_per_class,
    markdown,
    per_class_totals,
)
from fewshot.sections import Table


def per_class_text(frame):
    return table_text(shown(Table("per_class.csv", frame)))


PER_CLASS = pd.DataFrame(
    {
        "class": ["Bags", "Hats", "Gone"],
        "n": [30, 10, 0],
        "n_train": [500, 0, 7],
        "top1": [0.9, 0.0, float("nan")],
        "top5": [1.0, 0.0, float("nan")],
    }
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.91234, "0.9123"),
        (18003, "18,003"),
        (0.0, "0.0000"),
        (0.000123, "0.000123"),
        (-1234.56, "-1,234.6"),
        (float("inf"), "inf"),
        (True, "yes"),
        (None, "–"),
        (float("nan"), "–"),
        ({"mean": 0.494, "ci95": 0.008, "n": 600}, "0.4940 ± 0.0080 (n = 600)"),
        ({"a": 1, "b": 0.5}, "a: 1, b: 0.5000"),
        ([1, "x"], "1, x"),
    ],
)
def test_format_value(value, text):
    assert format_value(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12.3 s"), (59.97, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_format_seconds(seconds, text):
    assert format_seconds(seconds) == text


def test_per_class_text_has_both_averages_and_explains_the_star():
    lines = per_class_text(PER_CLASS).splitlines()
    assert any(line.startswith("Hats *") for line in lines)
    total = next(line for line in lines if line.startswith("all rows"))
    assert total.split()[2:] == ["40", "507", "0.6750", "0.520", "to", "0.799", "0.7500"]
    mean = next(line for line in lines if line.startswith("mean of classes"))
    assert mean.split()[-3:] == ["0.4500", "–", "0.5000"]
    assert lines[-1].startswith("* not a class of the model")


def test_top5_that_is_always_1_is_left_out_and_said_to_be():
    full = PER_CLASS.assign(top5=[1.0, None, 1.0])
    text = per_class_text(full)
    assert "top5" not in text
    assert "Top-5 is 1 for every class and is left out." in text
    assert "top5" in per_class_text(full.assign(top5=[1.0, 0.5, 1.0]))


def test_totals_are_over_the_classes_that_have_the_figure():
    table = pd.DataFrame({"class": ["a", "b", "c"], "n": [1, 3, 6], "map": [0.5, 0.1, None]})
    weighted, mean = per_class_totals(table)["map"]
    assert weighted == pytest.approx((0.5 * 1 + 0.1 * 3) / 4)
    assert mean == pytest.approx(0.3)


def test_a_class_whose_training_rows_are_not_known_is_not_starred():
    counts = pd.array([500, None, 0], dtype="Int64")
    text = per_class_text(PER_CLASS.assign(n_train=counts))
    assert [line.split()[:2][-1] == "*" for line in text.splitlines()[2:5]] == [False, False, True]


def test_without_unseen_classes_nothing_is_explained():
    text = per_class_text(PER_CLASS[PER_CLASS["n_train"] > 0])
    assert "*" not in text
    assert UNSEEN_NOTE not in text


def test_wide_characters_take_two_columns():
    lines = console(pd.DataFrame({"class": ["裤子", "Bags"], "n": [1, 2]})).splitlines()
    assert lines[2:] == ["裤子   1", "Bags   2"]


def test_a_rule_sets_the_last_rows_apart():
    lines = console(pd.DataFrame({"n": [1, 2, 3]}), rule_before_last=1).splitlines()
    assert [set(line) == {"-"} for line in lines] == [False, True, False, False, True, False]


def test_sampled_figures_are_numbers_to_the_eye():
    figure = {"mean": 0.5, "ci95": 0.01, "n": 600}
    text = markdown(pd.DataFrame({"head": ["KNN"], "1-shot": [figure]}))
    assert text.splitlines()[1:] == ["|---|---:|", "| KNN | 0.5000 ± 0.0100 (n = 600) |"]


def test_console_columns_line_up():
    lines = console(pd.DataFrame({"name": ["a", "long name"], "n": [5, 12345]})).splitlines()
    assert lines[2:] == ["a               5", "long name  12,345"]
    assert len({len(line) for line in lines[1:]}) == 1


def test_markdown_escapes():
    text = markdown(pd.DataFrame({"class": ["a|b", "<i>"], "n": [1, 2]}))
    assert text.splitlines()[1] == "|---|---:|"
    assert "a\\|b" in text
    assert "&lt;i>" in text


def test_a_table_without_training_counts_gets_its_averages_too():
    retrieved = pd.DataFrame({"class": ["Bag", "Hat"], "n": [3, 1], "recall_at_1": [1.0, 0.5]})
    assert is_per_class(retrieved)
    lines = per_class_text(retrieved).splitlines()
    assert lines[-2].split() == ["all", "rows", "4", "0.8750"]
    assert lines[-1].split() == ["mean", "of", "classes", "–", "0.7500"]


def test_a_table_of_several_rows_a_class_is_not_averaged():
    assert not is_per_class(pd.DataFrame({"class": ["Bag", "Bag"], "n": [3, 3], "top1": [1, 0]}))
    assert not is_per_class(pd.DataFrame({"n": [3], "top1": [1]}))


@pytest.mark.parametrize("count", [1e30, "many"])
def test_a_table_whose_counts_have_no_sum_is_not_averaged(count):
    frame = pd.DataFrame({"class": ["a", "b"], "n": [count, 1], "top1": [0.5, 1.0]})
    assert shown(Table("tables/a.csv", frame)).totals is None


def test_of_thousands_of_rows_the_first_are_shown_and_the_rest_is_named():
    frame = pd.DataFrame({"class": [f"c{i:04}" for i in range(8000)], "n": 1, "top1": 0.25})
    table = shown(Table("per_class.csv", frame))
    assert len(table.frame) == MOST_ROWS
    assert table.totals["n"].tolist()[0] == 8000
    assert table.note == "The first 250 of 8,000 rows; per_class.csv has them all."


def test_sampled_figures_lie_across_what_tells_them_apart():
    frame = pd.DataFrame(
        {
            "n_way": [5, 5, 5, 5],
            "n_shot": [1, 1, 5, 5],
            "head": ["A", "B", "A", "B"],
            "mean": [0.5, 0.6, 0.7, 0.8],
            "ci95": 0.01,
            "n": 100,
        }
    )
    found = shown(Table("tables/a.csv", frame, across=("n_way", "n_shot"))).frame
    assert found.columns.tolist() == ["head", "5-way, 1-shot", "5-way, 5-shot"]
    assert found["head"].tolist() == ["A", "B"]
    assert found.iloc[1, 2] == {"mean": 0.8, "ci95": 0.01, "n": 100}


def test_control_characters_of_names_cannot_reach_the_terminal():
    text = console(pd.DataFrame({"class": ["\x1b[31mred", "a\nb"], "n\r": [1, 2]}))
    assert "\x1b" not in text
    assert "\\x1b[31mred" in text
    assert "a\\nb" in text
