from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from fewshot.studies import budget_curves
from fewshot.studies.budget_curves import draw_curves
from fewshot.studies.paired_differences import TRAINED
from tests.studies.budget_runs import whole_study


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """The figure of some runs, as it was saved."""
    kept = []
    save = budget_curves.save_figure

    def kept_too(figure, path, dpi):
        kept.append(figure)
        save(figure, path, dpi=dpi)

    monkeypatch.setattr(budget_curves, "save_figure", kept_too)

    def draw(runs):
        draw_curves(runs, "top1", "scratch", tmp_path / "curves.png")
        with Image.open(tmp_path / "curves.png") as picture:
            assert picture.width == 12.4 * 120
        return kept.pop()

    return draw


def test_fine_tuning_is_two_panels_above_those_of_heads(drawn):
    figure = drawn(whole_study())
    assert [axes.get_title("left") for axes in figure.axes] == [
        "fine-tuning", "fine-tuning: difference to scratch", "linear probe on frozen features",
        "k-NN on frozen features", "nearest prototype on frozen features",
    ]  # fmt: skip
    assert [axes.get_ylabel() for axes in figure.axes[:3]] == [
        "test top1, %", "difference in test top1, points", "test top1, %",
    ]  # fmt: skip
    assert len({axes.get_ylim() for axes in figure.axes[2:]}) == 1
    assert [text.get_text() for text in figure.texts] == [
        "means over seeds, n = 5; bars: 95 % intervals, paired by seed; broken: scratch, trained "
        "on the same labels; dotted: heads on an untrained encoder"
    ]


def test_no_text_lies_on_another_or_outside(drawn):
    figure = drawn(whole_study())
    texts = [*figure.texts]
    for axes in figure.axes:
        texts += [*axes.texts, *axes.get_xticklabels(), axes.xaxis.label, axes.yaxis.label]
        texts += [axes.title, axes._left_title]
    boxes = {(i, t.get_text()): t.get_window_extent() for i, t in enumerate(texts) if t.get_text()}
    assert len(boxes) > 5 * 6
    assert not [(a, b) for a, b in combinations(boxes, 2) if boxes[a].overlaps(boxes[b])]
    for box in boxes.values():
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1


def test_budgets_are_named_where_there_is_room(drawn):
    figure = drawn(whole_study())
    names = [[t.get_text() for t in axes.get_xticklabels()] for axes in figure.axes]
    assert names[0] == ["1", "2", "5", "10", "20", "100", "6,000"]
    assert set(names[2]) >= {"1", "10", "100", "6,000", ""}
    assert all(len(some) == 7 for some in names)


def test_of_single_seeds_and_of_parts(drawn):
    runs = whole_study()
    one = drawn(runs[runs["seed"] == 0])
    assert "bars" not in one.texts[0].get_text()
    first = one.axes[1].lines[1].get_xdata()
    assert first[0] == 1, "nothing is moved apart where there are no intervals"
    heads = drawn(runs[runs["way"] != TRAINED])
    assert len(heads.axes) == 3 and "broken" not in heads.texts[0].get_text()
    assert len(drawn(runs[runs["method"] != "scratch"]).axes) == 4
    begun = drawn(runs[(runs["method"] == "scratch") & (runs["budget"] == "1")])
    assert len(begun.axes) == 4
    assert np.isfinite([axes.get_ylim() for axes in begun.axes]).all()


def test_an_interval_of_two_seeds_does_not_dwarf_the_means(drawn):
    runs = whole_study(2)
    runs.loc[(runs["method"] == "rotation") & (runs["seed"] == 0), "top1"] += 0.2
    axes = drawn(runs).axes[1]
    means = np.concatenate([line.get_ydata() for line in axes.lines[1:7]])
    assert axes.get_ylim()[1] < 3.5 * np.abs(means).max()
