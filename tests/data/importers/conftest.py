import hashlib
from pathlib import Path

import pytest
from PIL import Image

from fewshot.data.importers import fashion_mnist, fashion_mnist_sources
from fewshot.data.importers.idx_files import read_content

SAMPLE = Path(__file__).parents[2] / "samples/fashion-mnist"


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a small part of Fashion-MNIST, whose checksums are taken for the right ones."""
    known = {
        name: hashlib.sha256(read_content(SAMPLE, name)).hexdigest()
        for name in fashion_mnist.SHA256
    }
    monkeypatch.setattr(fashion_mnist, "SHA256", known)
    monkeypatch.setattr(fashion_mnist_sources, "DEBIAN_FOLDER", tmp_path / "usr/share/none")
    return SAMPLE


@pytest.fixture
def save_image():
    """Saves a 6x8 image of one value, making its folder."""

    def save(path: Path, value: int = 0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 8), value).save(path)

    return save
