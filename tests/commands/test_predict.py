import io
import json
import sys

import pandas as pd
import pytest
from PIL import Image

import fewshot.__main__ as door
from fewshot.models.extras import add_extras
from fewshot.models.prediction.prediction import Prediction
from fewshot.models.prediction.predictor import load
from fewshot.models.prediction.shown import write_csv
from fewshot.spreadsheet import read_csv


@pytest.fixture
def photos(tmp_path, shop):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    for place, name in (("a.jpg", "Bags"), ("b.jpg", "Hats"), ("deep/=c.jpg", "Socks")):
        Image.open(shop.root / f"images/test{name}0.jpg").save(folder / place)
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 cut short")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_line_a_photo_and_a_count(model_path, photos, capsys):
    assert door.main(["predict", str(model_path), str(photos), "--neighbours", "2"]) == 0
    shown = capsys.readouterr()
    lines = [line for line in shown.out.splitlines() if not line.startswith("    like")]
    expected = load(model_path).predict(photos)
    assert len(lines) == 4
    assert [line.split(".jpg")[0][-1] for line in lines] == ["a", "b", "n", "c"]
    assert lines[2].endswith("could not be read: not an image")
    for line, score in zip(lines, expected["score_1"], strict=True):
        assert line is lines[2] or f" {score:.3f} " in line
    assert shown.out.count("\n    like ") == 6
    count = "4 photos, 1 could not be read; in folders left out: 1 no picture"
    assert shown.err.splitlines()[-1] == count


def test_scores_in_a_csv_are_rounded(tmp_path):
    found = [Prediction("a.jpg", "x", [("x", 2 / 3), ("y", 3.3869795504770107e-279)])]
    write_csv(found, tmp_path / "answers.csv", 2, 0)
    [line] = (tmp_path / "answers.csv").read_text().splitlines()[1:]
    assert line == "a.jpg,x,x,0.666667,y,0.0,"


def test_unknown_stands_before_the_classes(model_path, photos, capsys):
    add_extras(model_path, {"threshold": 0.99})
    door.main(["predict", str(model_path), str(photos / "a.jpg")])
    shown = capsys.readouterr()
    assert "  unknown:  " in shown.out
    told = "1 photo, 1 unknown (no class has a probability of 0.990, the model's threshold)\n"
    assert shown.err.endswith(told)


def test_a_csv_and_json_hold_what_the_table_of_python_does(model_path, photos, tmp_path, capsys):
    expected = load(model_path).predict(photos)
    written = tmp_path / "answers.csv"
    assert door.main(["predict", str(model_path), str(photos), "--csv", str(written)]) == 0
    assert capsys.readouterr().out == ""
    pd.testing.assert_frame_equal(read_csv(written), expected.round(6), check_dtype=False)
    door.main(["predict", str(model_path), str(photos), "--json", "--neighbours", "1"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["photo"] for row in rows] == expected["photo"].tolist()
    assert rows[2]["error"] == "not an image"
    assert rows[0]["classes"][0] == {
        "class": expected["class_1"][0],
        "score": pytest.approx(expected["score_1"][0]),
    }
    assert list(rows[0]["neighbours"][0]) == ["id", "class", "similarity"]


def test_a_list_on_standard_input(model_path, photos, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos}/b.jpg\n{photos}/none.jpg\n"))
    assert door.main(["predict", str(model_path), "-"]) == 0
    shown = capsys.readouterr()
    assert "none.jpg  could not be read: No such file or directory" in shown.out
    assert shown.err.endswith("2 photos, 1 could not be read\n")


@pytest.mark.parametrize("place", ["broken.jpg", "none.jpg", "*.webp", "empty"])
def test_nothing_read_is_2(model_path, photos, capsys, place):
    (photos / "empty").mkdir()
    (photos / "empty" / "notes.txt").write_text("no picture")
    assert door.main(["predict", str(model_path), str(photos / place)]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: nothing to predict: ")


def test_two_forms_at_once_are_refused(model_path, photos, tmp_path, capsys):
    words = ["predict", str(model_path), str(photos), "--json", "--csv", str(tmp_path / "a.csv")]
    assert door.main(words) == 2
    assert "--csv and --json are two forms of the answer" in capsys.readouterr().err


def test_the_answer_does_not_take_the_place_of_what_is_read(
    model_path, photos, capsys, monkeypatch
):
    listed, model = photos / "listed.csv", model_path.read_bytes()
    listed.write_text("path\na.jpg\n")
    monkeypatch.chdir(model_path.parent)
    for out in (model_path.name, str(listed)):
        assert door.main(["predict", str(model_path), str(listed), "--csv", out]) == 2
        assert f"--csv {out} is the file that is read: name another" in capsys.readouterr().err
    assert model_path.read_bytes() == model
    assert listed.read_text() == "path\na.jpg\n"


@pytest.mark.parametrize("way", ["folder", "pattern", "list"])
def test_the_answer_does_not_take_the_place_of_a_photo(
    model_path, photos, capsys, monkeypatch, way
):
    (photos / "a.jpg").rename(photos / "bare")
    before = {path: path.read_bytes() for path in photos.glob("*.*")}
    place = {"folder": str(photos), "pattern": str(photos / "*"), "list": "-"}[way]
    for name, why in (
        ("bare", "is a photo: name another file for the answer, such as answers.csv"),
        ("b.jpg", f"has the name of a photo: name a file such as {photos / 'b.csv'}"),
        ("new.PNG", f"has the name of a photo: name a file such as {photos / 'new.csv'}"),
    ):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{photos / 'bare'}\n"))
        out = str(photos / name)
        assert door.main(["predict", str(model_path), place, "--csv", out]) == 2
        assert f"--csv {out} {why}." in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in photos.glob("*.*")}
    Image.open(photos / "bare").load()


def test_an_answer_for_standard_output_is_refused_with_what_is_printed(
    photos, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("fewshot.models.prediction.predictor.load", None)
    with (tmp_path / "out.csv").open("w") as stream:
        link = tmp_path / "stdout"
        link.symlink_to(f"/dev/fd/{stream.fileno()}")
        assert door.main(["predict", "model.mdl", str(photos), "--csv", str(link)]) == 2
    told = capsys.readouterr().err
    assert f"'{link}' is a stream that is open already, not a file: name a file to write, " in told
    assert told.endswith("or leave --csv out: a table is printed, or by --json an object a line.\n")
    assert link.is_symlink()


def test_a_model_from_elsewhere_is_one_message(photos, tmp_path, capsys):
    (tmp_path / "other.mdl").write_text("weights")
    assert door.main(["predict", str(tmp_path / "other.mdl"), str(photos)]) == 2
    assert "cannot be read" in capsys.readouterr().err
