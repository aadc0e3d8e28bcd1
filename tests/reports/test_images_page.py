"""Thumbnails and a clickable confusion matrix in the report's page."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fewshot.errors import UserError
from fewshot.interfaces import Evaluation
from fewshot.reports import report
from fewshot.reports.kept_sections import read_sections, sections_text
from fewshot.reports.shown_tables import words_of_images
from fewshot.sections import Images, Matrix, Picture, Section, Thumbnails

LAYOUT = Thumbnails("thumbnails.jpg", 28, 28, 40)


def images(name="tables/odd.csv"):
    lines = [
        ("007: <b>", "007", "1.50", 0, "wrong"),
        ("007: <b>", "x'1", "a & b", 41, "right"),
        ("second", "3", "c", None, ""),
    ]
    frame = pd.DataFrame(lines, columns=["row", "id", "caption", "tile", "verdict"])
    return Images(name, frame.astype({"tile": "Int64"}), LAYOUT, "a note")


def matrix(names=("a", "</script>b")):
    counts = [(names[0], names[0], 30), (names[0], names[1], 10), (names[1], names[1], 5)]
    fell = [(names[0], names[1], f"id{i}", "0.9", i) for i in range(3)]
    return Matrix(
        "tables/cells.csv",
        pd.DataFrame(counts, columns=["true class", "taken for", "images"]),
        Images(
            "tables/cells_images.csv",
            pd.DataFrame(fell, columns=["true class", "taken for", "id", "caption", "tile"]),
            LAYOUT,
        ),
        Picture("confusion_matrix.png", "Confusion matrix"),
    )


def write(folder, sections, thumbnails=True):
    for name, writer in Evaluation({}, {}, sections).artifacts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        writer(folder / name)
    (folder / "sections.json").write_text(sections_text(sections))
    (folder / "results.json").write_text(json.dumps({"name": "x"}))
    Image.new("RGB", (9, 9)).save(folder / "confusion_matrix.png")
    if thumbnails:
        Image.new("L", (1120, 56)).save(folder / "thumbnails.jpg")
    report.write_report(folder)
    return (folder / "report.html").read_text(), (folder / "report.md").read_text()


def test_images_come_back_from_their_files(tmp_path):
    sections = [Section("Odd", [images()]), Section("Cells", [matrix()], console=False)]
    write(tmp_path, sections)
    found = read_sections(tmp_path)
    pd.testing.assert_frame_equal(found[0].blocks[0].frame, images().frame, check_dtype=False)
    assert found[0].blocks[0].thumbnails == LAYOUT
    assert found[1].blocks[0].shown.frame["id"].tolist() == ["id0", "id1", "id2"]
    assert found[1].blocks[0].picture == matrix().picture


def test_thumbnails_lie_once_in_the_page_and_tiles_point_to_them(tmp_path):
    page, text = write(tmp_path, [Section("Odd", [images(), images("tables/two.csv")])])
    assert page.count("data:image/jpeg;base64,") == 1
    assert page.count("<i class=a0 style='--x:0;--y:0'") == 2
    assert page.count("<i class=a0 style='--x:1;--y:1'") == 2
    assert "background-size" not in page
    assert ".a0{width:56px;height:56px;image-rendering:pixelated;" in page
    assert "2240px auto}" in page
    assert "<h3>007: &lt;b&gt;</h3>" in page
    assert "title='x&#x27;1: a &amp; b (right)'" in page
    assert "<span class=blank>3</span>" in page
    assert "| 007: &lt;b> | a &amp; b: x'1 | 1 of 1 |" in text


def test_words_have_a_row_for_what_stands_together():
    lines = [
        ("7: Bags, taken for Hats", "7", "Bags", "wrong"),
        *(("7: Bags, taken for Hats", number, "Bags", "") for number in ("10", "12")),
        ("7: Bags, taken for Hats", "33", "Hats", ""),
        ("Bags, more likely Hats (2)", "8", "8", ""),
        ("Bags, more likely Hats (2)", "9", "9", ""),
        ("3: Bags", "3", "Bags", "right"),
        ("3: Bags", "4", "Bags", "right"),
        ("3: Bags", "5", "Hats", "wrong"),
    ]
    frame = pd.DataFrame(lines, columns=["row", "id", "caption", "verdict"])
    found = words_of_images(Images("tables/odd.csv", frame, LAYOUT)).frame
    assert found.to_dict("split")["data"] == [
        ["7: Bags, taken for Hats", "Bags: 10, 12; Hats: 33", None],
        ["Bags, more likely Hats (2)", "8, 9", None],
        ["3: Bags", "Bags: 4; Hats: 5", "1 of 2"],
    ]


def test_without_the_thumbnails_ids_are_shown(tmp_path):
    page, _ = write(tmp_path, [Section("Odd", [images()])], thumbnails=False)
    assert "<span class=blank>007</span>" in page


def test_damaged_thumbnails_are_named(tmp_path):
    write(tmp_path, [Section("Odd", [images()])])
    # of the formats that Pillow knows, some are handed to other programs: none is looked for
    Image.new("L", (8, 8)).save(tmp_path / "other.eps")
    for content in (b"no picture", (tmp_path / "other.eps").read_bytes()):
        (tmp_path / "thumbnails.jpg").write_bytes(content)
        told = r"thumbnails\.jpg is damaged \(cannot identify .*run the experiment again"
        with pytest.raises(UserError, match=told):
            report.write_report(tmp_path)


def test_a_name_that_leads_out_is_refused(tmp_path):
    write(tmp_path, [Section("Odd", [images()])])
    path = tmp_path / "sections.json"
    path.write_text(path.read_text().replace("thumbnails.jpg", "../thumbnails.jpg"))
    with pytest.raises(UserError, match="is no name of a file inside"):
        report.write_report(tmp_path)


def test_the_matrix_has_its_cells_and_their_images(tmp_path):
    page, text = write(tmp_path, [Section("Cells", [matrix()])])
    data = json.loads(re.search(r"<script type=application/json>(.*)</script>", page).group(1))
    assert data["names"] == ["</script>b", "a"]
    assert data["images"] == {"1-0": [[i, f"id{i}", "0.9"] for i in range(3)]}
    cells = re.findall(r"data-cell='(\d-\d)' data-share='([\d.]+)'[^>]*>(\d+)</button>", page)
    assert cells == [("1-1", "0.750", "30"), ("1-0", "0.250", "10"), ("0-0", "1.000", "5")]
    assert "![Confusion matrix](confusion_matrix.png)" in text
    assert "data:image/png" not in page


def test_only_the_most_mistaken_of_many_classes_are_drawn(tmp_path):
    found = matrix()
    names = [f"c{i:03}" for i in range(200)]
    counts = pd.DataFrame({"true class": names, "taken for": np.roll(names, 1), "images": 1})
    counts.loc[len(counts)] = ["c007", "c150", 99]
    page, _ = write(
        tmp_path, [Section("Cells", [Matrix(found.name, counts, found.shown, found.picture)])]
    )
    assert "The 60 of 200 classes with the most mistakes." in page
    assert page.count("<b class=row") == 60
    assert ">99</button>" in page
