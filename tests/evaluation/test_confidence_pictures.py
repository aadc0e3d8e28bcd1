"""Pictures of confidence are drawn where they show something, and a sentence stands elsewhere."""

import numpy as np
import pytest
from PIL import Image

from fewshot.evaluation.rejection import Promise
from fewshot.evaluation.selective_report import Answers, Rule, selective_report
from fewshot.reports.canvas import new_figure
from fewshot.reports.confidence import reliability_picture, risk_coverage_picture
from fewshot.sections import Note, Picture, Table

SPREAD = np.linspace(0.3, 1.0, 40)


def blocks(confidence, uncalibrated=SPREAD, threshold=0.0, known=True):
    """Of the section about so many answers, the last tenth of which are wrong."""
    n = len(confidence)
    right = np.arange(n) < 0.9 * n
    answers = Answers(confidence, uncalibrated[:n], right, np.full(n, True) & known)
    rule = Rule(Promise(0.9, None), 0.5, threshold, imitated=False, fitted=True)
    report = selective_report({"test": answers, "validation": answers}, rule)
    return report, report.sections[0].blocks


def pictures(found):
    return [block.name for block in found if isinstance(block, Picture)]


def notes(found):
    return [block.text for block in found if isinstance(block, Note)][1:]


def test_where_confidence_differs_both_are_drawn():
    report, found = blocks(SPREAD**2)
    assert pictures(found) == ["risk_coverage.png", "reliability.png"]
    assert {"risk_coverage.png", "reliability.png"} <= set(report.artifacts)
    assert notes(found) == []


def test_one_confidence_is_no_curve_and_no_bar(tmp_path):
    report, found = blocks(np.ones(40))
    assert pictures(found) == ["reliability.png"]
    assert "risk_coverage.png" not in report.artifacts
    curve, bar = notes(found)
    assert curve.startswith("Risk by coverage is not drawn: every answer has the same confidence")
    assert bar == (
        "After temperature scaling, all confidences lie between 0.933 and 1.000, and 0.9000 of "
        "those answers are right: one bar is not drawn."
    )
    report.artifacts["reliability.png"](tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.width == 528  # one panel of two


def test_without_two_bars_anywhere_there_is_no_reliability_picture():
    report, found = blocks(np.ones(40), uncalibrated=np.full(40, 0.5))
    assert pictures(found) == []
    assert not [name for name in report.artifacts if name.endswith(".png")]
    assert [note.split(",")[0] for note in notes(found)[1:]] == [
        "Before temperature scaling",
        "After temperature scaling",
    ]


def test_a_handful_of_answers_is_no_curve():
    _, found = blocks(SPREAD[:18])
    assert pictures(found) == ["reliability.png"]
    assert notes(found)[0].startswith("Risk by coverage is not drawn for 18 answers: of fewer than")


def test_what_no_temperature_changed_is_drawn_once(tmp_path):
    report, _ = blocks(SPREAD)
    report.artifacts["reliability.png"](tmp_path / "same.png")
    with Image.open(tmp_path / "same.png") as picture:
        assert picture.width == 528


@pytest.mark.parametrize(
    ("known", "threshold", "absent"),
    [(True, 0.0, ["auroc_unknown"]), (False, None, ["auroc_unknown", "ece", "by the threshold"])],
)
def test_the_note_is_of_columns_that_are_there(known, threshold, absent):
    _, found = blocks(SPREAD, threshold=threshold, known=known)
    [table] = [block for block in found if isinstance(block, Table)]
    assert "aurc: area under" in table.note
    assert not [word for word in absent if word in table.note]
    told = ("auroc_unknown:", "ece:", "answered, precision:")
    columns = ("auroc_unknown", "ece_before", "answered")
    assert [word in table.note for word in told] == [name in table.frame for name in columns]


def test_the_note_tells_of_unknown_classes_where_there_are_any():
    _, found = blocks(SPREAD, known=np.arange(40) % 2 == 0)
    [table] = [block for block in found if isinstance(block, Table)]
    assert "auroc_unknown: how often an image of a known class" in table.note


@pytest.fixture
def drawn(monkeypatch):
    """The figures that pictures are made of."""
    kept = []

    def new(*size):
        kept.append(new_figure(*size))
        return kept[-1]

    monkeypatch.setattr("fewshot.reports.confidence.new_figure", new)
    return kept


def test_the_legend_of_reliability_covers_no_bar(drawn, tmp_path):
    right, rows = np.full(15, 0.9), np.full(15, 4)
    reliability_picture({"a": (right, rows), "b": (right, rows)}, tmp_path / "r.png")
    [figure] = drawn
    [legend] = figure.legends
    box = legend.get_window_extent()
    assert not [axes for axes in figure.axes if axes.get_window_extent().overlaps(box)]
    assert not [axes for axes in figure.axes if axes.get_legend()]


def test_one_point_beside_a_curve_is_seen(drawn, tmp_path):
    curve, point = (np.array([0.5, 1]), np.array([0, 0.1])), (np.ones(1), np.array([0.2]))
    risk_coverage_picture({"all": curve, "known": point}, None, tmp_path / "c.png")
    [axes] = drawn[0].axes
    assert [line.get_marker() for line in axes.lines] == ["", "o"]
