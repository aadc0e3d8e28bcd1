from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packs of a test live in its own folder."""
    monkeypatch.setenv("FEWSHOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def make_images(tmp_path: Path) -> Callable[..., Path]:
    """Makes root/images/<id>.png of random pixels that stay as they are at 8x6, and a CSV."""

    def make(rows: dict[str, str], root: str = "root", csv: str = "train.csv") -> Path:
        folder = tmp_path / root / "images"
        folder.mkdir(parents=True, exist_ok=True)
        for image_id in rows:
            Image.fromarray(pixels_of(image_id)).save(folder / f"{image_id}.png")
        lines = ["id,articleType"] + [f"{i},{label}" for i, label in rows.items()]
        (tmp_path / root / csv).write_text("\n".join(lines) + "\n")
        return tmp_path / root

    return make


def pixels_of(image_id: str) -> np.ndarray:
    seed = sum(ord(c) * 31**k for k, c in enumerate(image_id))
    return np.random.default_rng(seed).integers(0, 256, (8, 6, 3), dtype=np.uint8)


@pytest.fixture
def expected() -> Callable[[list[str]], np.ndarray]:
    """uint8 [n, 3, 8, 6], what make_images wrote for the ids."""
    return lambda ids: np.stack([pixels_of(i).transpose(2, 0, 1) for i in ids])
