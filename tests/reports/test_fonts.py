import logging

import numpy as np

from fewshot.reports import fonts
from fewshot.reports.confusions import Confusions
from fewshot.reports.fonts import drawable, families
from fewshot.reports.maps import embedding_png
from fewshot.reports.plots import confusion_matrix, image_grid


def test_what_the_fonts_have_is_left_alone():
    assert families()[0] == "DejaVu Sans"
    for text in ("T-shirt → Hemd", "Größe", "Юбка", "φόρεμα", "two\nlines"):
        assert drawable(text) == text


def test_what_no_font_has_becomes_its_code_and_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(fonts, "_glyphs", lambda: frozenset(map(ord, "abc ")))
    fonts._say_once.cache_clear()
    logger = logging.getLogger("fewshot")
    monkeypatch.setattr(logger, "propagate", True)
    monkeypatch.setattr(logger, "handlers", [])  # a command line run before has its own
    with caplog.at_level(logging.WARNING, "fewshot"):
        assert drawable("a \u88e4") == "a \\u88e4"
        assert drawable("\u88e4\u5b50") == "\\u88e4\\u5b50"
    assert [record.message[:40] for record in caplog.records] == [
        "no installed font can draw some names, w"
    ]


def test_names_in_any_script_are_drawn_without_a_missing_glyph(tmp_path):
    names = ["裤子", "सलवार", "قميص", "\U0001f9e5", "\ue000"]  # warnings are errors here
    confusion_matrix(Confusions.of_matrix(np.eye(5, dtype=int)), names, tmp_path / "c.png")
    image_grid(np.zeros((5, 4, 4, 1), np.uint8), names, tmp_path / "g.png")
    embedding_png(np.random.default_rng(0).normal(size=(5, 2)), names, tmp_path / "e.png")
    assert all((tmp_path / f"{name}.png").stat().st_size > 500 for name in "cge")
