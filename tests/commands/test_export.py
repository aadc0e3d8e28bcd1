import pytest

import fewshot.__main__ as door


@pytest.mark.slow
def test_a_file_checked_on_photos(model_path, shop, tmp_path, capsys):
    out = tmp_path / "out.onnx"
    words = ["export", str(model_path), str(out), "--check", str(shop.root / "images")]
    assert door.main(words) == 0
    told = capsys.readouterr().out
    form = "uint8 images [N, 3, 16, 16], RGB"
    assert told.startswith(f"{out}: of {form}, 3 classes and the embedding; on 32 photos within ")
    assert out.stat().st_size > 1000


def test_what_cannot_be_is_one_message(model_path, tmp_path, capsys):
    assert door.main(["export", str(model_path), str(tmp_path / "out.pt")]) == 2
    assert "does not end in .onnx" in capsys.readouterr().err
    words = ["export", str(model_path), str(tmp_path / "out.onnx"), "--check", str(model_path)]
    assert door.main(words) == 2
    assert "names no photo that can be read" in capsys.readouterr().err
