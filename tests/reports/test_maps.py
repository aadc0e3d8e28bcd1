import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from fewshot.reports import atlas
from fewshot.reports.canvas import new_figure
from fewshot.reports.direct_labels import label_places
from fewshot.reports.maps import embedding_html, embedding_png

COUNT = 230


@pytest.fixture
def points():
    return np.random.default_rng(0).normal(size=(COUNT, 2)).astype(np.float32)


LABELS = [["a", "b </script>", "c"][i % 3] for i in range(COUNT)]


def data(path):
    return json.loads(re.search(r"const D = (.*);\n", path.read_text()).group(1))


@pytest.mark.parametrize("classes", [3, 130])
def test_png_with_few_and_many_classes(points, tmp_path, classes):
    path = tmp_path / "map.png"
    embedding_png(points, [f"class {i % classes}" for i in range(COUNT)], path)
    with Image.open(path) as image:
        assert min(image.size) > 500
    first = path.read_bytes()
    assert len(first) < 300_000
    embedding_png(points, [f"class {i % classes}" for i in range(COUNT)], path)
    assert path.read_bytes() == first


def test_no_label_covers_another():
    axes = new_figure(4, 4).subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    places = np.array([[0.5, 0.5]] * 9 + [[0.1, 0.1]])
    names = [f"${i}" for i in range(10)]
    placed = label_places(axes, places, names)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert placed == len(boxes) == 6  # five lines about the crowded place, one elsewhere
    assert axes.texts[0].get_text() == "$0"
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_html_holds_every_point_once(points, tmp_path):
    path = tmp_path / "map.html"
    images = np.zeros((COUNT, 8, 6, 3), dtype=np.uint8)
    embedding_html(points, LABELS, LABELS[::-1], [str(i) for i in range(COUNT)], images, path)
    found = data(path)
    assert [found["names"][i] for i in found["label"]] == LABELS
    assert [found["names"][i] for i in found["prediction"]] == LABELS[::-1]
    assert found["id"] == [str(i) for i in range(COUNT)]
    low, size = points.min(0), np.ptp(points, axis=0)
    unit = (points - low) / size
    np.testing.assert_allclose(np.stack([found["x"], found["y"]], 1), unit, atol=1e-4)
    assert found["aspect"] == pytest.approx(size[0] / size[1], abs=1e-4)
    assert len(found["colours"]) == len(found["names"])


def test_html_needs_no_network_and_no_name_ends_its_script(points, tmp_path):
    path = tmp_path / "map.html"
    images = np.zeros((COUNT, 8, 6, 1), dtype=np.uint8)
    embedding_html(points, LABELS, None, LABELS, images, path)
    page = path.read_text()
    assert not re.findall(r"https?://", page)
    assert page.count("</script>") == 1
    assert data(path)["prediction"] is None
    assert data(path)["id"] == LABELS


def test_empty_predictions_are_none(points, tmp_path):
    path = tmp_path / "map.html"
    images = np.zeros((COUNT, 8, 6, 1), dtype=np.uint8)
    embedding_html(points, LABELS, [""] * COUNT, LABELS, images, path)
    assert data(path)["prediction"] is None
    assert data(path)["names"] == sorted(set(LABELS))


def test_thumbnails_lie_where_the_page_looks_for_them(points, tmp_path, monkeypatch):
    monkeypatch.setattr(atlas, "ATLAS_TILES", 100)
    path = tmp_path / "map.html"
    images = np.repeat(np.arange(COUNT, dtype=np.uint8), 100 * 80).reshape(COUNT, 100, 80, 1)
    embedding_html(points, LABELS, None, LABELS, images, path)
    found = data(path)
    width, height, columns, _ = found["tile"]
    assert (width, height, columns) == (32, 40, atlas.ATLAS_COLUMNS)
    sheets = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet.partition(",")[2]))))
        for sheet in found["atlases"]
    ]
    assert len(sheets) == 3
    for number in (0, 49, 50, 99, 100, COUNT - 1):
        row, column = divmod(number % 100, columns)
        sheet = sheets[number // 100]
        tile = sheet[row * height : (row + 1) * height, column * width : (column + 1) * width]
        assert abs(float(tile[10:30, 8:24].mean()) - number) < 3


def test_small_images_keep_their_size():
    sheets, width, height = atlas.sprite_atlases(np.zeros((3, 28, 28, 3), dtype=np.uint8))
    assert (len(sheets), width, height) == (1, 28, 28)
    assert sheets[0].startswith("data:image/jpeg;base64,")
