import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from fewshot.reports.canvas import new_figure
from fewshot.reports.line_ends import LineEnd, name_ends, room_for, spread

WANTED = st.lists(st.floats(0, 1), min_size=1, max_size=6).map(lambda v: np.array(sorted(v)))


@given(WANTED, st.floats(0.001, 0.5))
def test_places_are_apart_in_order_and_inside(wanted, gap):
    places = spread(wanted, gap)
    least = min(gap, 1 / max(len(wanted) - 1, 1))
    assert (np.diff(places) >= least - 1e-9).all()
    assert places.min() >= -1e-9 and places.max() <= 1 + 1e-9
    if (np.diff(wanted) >= gap).all():
        assert places == pytest.approx(wanted), "what is apart stays"


@settings(max_examples=20)
@given(WANTED, st.floats(0.02, 0.15))
def test_no_places_are_nearer_in_squares(wanted, gap):
    apart = [
        {"type": "ineq", "fun": lambda x, i=i: x[i + 1] - x[i] - gap}
        for i in range(len(wanted) - 1)
    ]
    start = np.linspace(0, 1, len(wanted))
    best = minimize(
        lambda x: ((x - wanted) ** 2).sum(), start, bounds=[(0, 1)] * len(wanted),
        constraints=apart, method="SLSQP", options={"ftol": 1e-12, "maxiter": 500},
    )  # fmt: skip
    assert ((spread(wanted, gap) - wanted) ** 2).sum() <= best.fun + 1e-6


def test_names_that_would_lie_on_one_another_do_not():
    canvas = new_figure(6, 3, None)
    names = ["rotation", "a name that is longer than can be written there", "byol", "$x$"]
    width = 6 - 0.5 - room_for(names)
    axes = canvas.add_axes((0.5 / 6, 0.1, width / 6, 0.8))
    axes.set_ylim(0, 100)
    ends = [LineEnd(0.9, 99 + place / 10, name, "#3f90da", "o") for place, name in enumerate(names)]
    name_ends(axes, ends, (width, 2.4))
    canvas.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
    assert len(boxes) == 4
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(box.x1 <= canvas.bbox.x1 and box.y1 <= canvas.bbox.y1 for box in boxes)
    assert "a name that is longer t…" in [text.get_text() for text in axes.texts]
    heights = {t.get_text(): t.get_window_extent().y0 for t in axes.texts if t.get_text()}
    assert heights["rotation"] < heights["byol"] < heights["$x$"], "as the lines end"
