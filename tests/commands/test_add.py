import pytest
from PIL import Image

import fewshot.__main__ as door
from fewshot.models.prediction.predictor import load


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "new"
    for name, colour in (("Caps", (250, 0, 0)), ("Belts", (0, 0, 250))):
        (place / name).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (20, 20), colour).save(place / name / f"{i}.png")
    return place


def test_added_listed_predicted_and_removed(model_path, folder, tmp_path, capsys):
    richer, back = tmp_path / "richer.mdl", tmp_path / "back.mdl"
    assert door.main(["add", str(model_path), str(folder), str(richer)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        *("Belts: 3 photos", "Caps: 3 photos"),
        f"{richer}: 5 classes, 2 of them added, 2 of these now",
    ]
    door.main(["add", str(richer), "--list"])
    assert capsys.readouterr().out.splitlines() == [
        *("Bags", "Hats", "Socks", "Belts  (added)", "Caps  (added)"),
    ]
    assert door.main(["predict", str(richer), str(folder)]) == 0
    assert "Belts" in capsys.readouterr().out
    assert door.main(["add", str(richer), str(back), "--remove", "Belts"]) == 0
    assert capsys.readouterr().out == f"removed: Belts\n{back}: 4 classes, 1 of them added\n"
    assert load(back).added == ("Caps",)
    assert door.main(["add", str(richer), str(folder / "none"), str(back)]) == 2
    assert door.main(["add", str(back), str(back), "--remove", "Caps"]) == 0
    assert load(back).added == ()


def test_nothing_but_a_model_is_written_over(model_path, folder, tmp_path, capsys):
    photo = folder / "Caps/0.png"
    before = photo.read_bytes()
    assert door.main(["add", str(model_path), str(folder), str(photo)]) == 2
    assert "exists and is no model: name another file" in capsys.readouterr().err
    assert photo.read_bytes() == before
    assert door.main(["add", str(model_path), str(folder), str(folder)]) == 2
    assert "is a folder: name the file of the new model" in capsys.readouterr().err
    assert door.main(["add", str(model_path), str(folder), str(tmp_path / "no/new.mdl")]) == 2
    assert "does not exist: make it" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["new"]])
def test_what_to_do_must_be_said(model_path, words, capsys):
    assert door.main(["add", str(model_path), *words]) == 2
    assert "say what to do: add MODEL FOLDER OUT.mdl" in capsys.readouterr().err
