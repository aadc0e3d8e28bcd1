"""Names on an audit's sheet are readable in any script."""

import numpy as np
from PIL import Image

from fewshot.data.audit.sheet import Pair, write_sheet
from fewshot.reports.fonts import pieces


def drawn(tmp_path, line):
    picture = Image.new("RGB", (30, 30), (200, 10, 10))
    write_sheet([Pair(picture, picture, (line,))], tmp_path / "a.png", pieces)
    with Image.open(tmp_path / "a.png") as sheet:
        return np.asarray(sheet.convert("L"))


def test_a_character_that_no_font_has_stands_as_its_code(tmp_path):
    # a private one, of which there is no glyph anywhere
    np.testing.assert_array_equal(drawn(tmp_path, "1 \ue000"), drawn(tmp_path, "1 \\ue000"))


def test_names_of_other_scripts_are_no_boxes(tmp_path):
    sheets = [
        drawn(tmp_path, f"1 {name}") for name in ("\u889c", "\u5b50", "\u0e2a", "Юбка", "Рука")
    ]
    for number, sheet in enumerate(sheets):
        assert all((sheet != other).any() for other in sheets[:number])


def test_a_line_ends_where_the_next_pair_begins(tmp_path):
    sheet = drawn(tmp_path, "W" * 200)
    assert (sheet[:, -10:] == 255).all()
    assert (sheet[-22:, :-12] < 128).any()
