"""A little shop: a folder of photos and its CSVs, small enough to train on in a second."""

import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gin
import hypothesis
import numpy as np
import pandas as pd
import pytest
from PIL import Image

COLOURS = {"Bags": (200, 40, 40), "Hats": (40, 200, 40), "Socks": (40, 40, 200)}


# A job in the background ignores Ctrl-C, one under nohup the hangup, and their children would, too:
# tests that send these to themselves or to a run they started would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


# Properties are tried on the same examples each time: a commit passes or fails once and for all,
# and none fails since the machine was busy. --hypothesis-profile=anew draws others.
unhurried = hypothesis.settings(
    deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.register_profile("anew", unhurried)
hypothesis.settings.register_profile("same", unhurried, derandomize=True)
hypothesis.settings.load_profile("same")


@pytest.fixture(autouse=True, scope="module")
def _no_bindings_left():
    """What the tests of a file bound does not meet those of the next."""
    yield
    gin.clear_config()


def pytest_collection_modifyitems(items):
    """The files with slow tests first: a worker that takes one at the end goes on alone.

    Those with a browser stay among the others: they time what a user waits for, and slow files
    start several processes.
    """

    def files(mark):
        return {item.path for item in items if item.get_closest_marker(mark)}

    first = files("slow") - files("browser")
    items.sort(key=lambda item: item.path not in first)


@dataclass(frozen=True)
class Shop:
    """A data set as users bring it: root/images/<id>.jpg, root/train.csv, root/test.csv."""

    root: Path

    def bindings(self) -> list[str]:
        """What a user binds to use it."""
        return [
            f"FashionDataset.root_dir = '{self.root}'",
            f"FashionDataset.csv_file = '{self.root}/train.csv'",
            "FashionDataset.importer = None",
            f"FashionDataset.cache_dir = '{self.root}/cache'",
            "FashionDataset.image_size = (16, 16)",
            "FashionDataset.channels = 3",
            f"test/FashionDataset.csv_file = '{self.root}/test.csv'",
        ]


def photo(colour: tuple[int, int, int], rng: np.random.Generator) -> Image.Image:
    """A noisy patch of the class's colour on white."""
    pixels = np.full((20, 20, 3), 255, dtype=np.uint8)
    pixels[4:16, 4:16] = np.clip(np.array(colour) + rng.normal(0, 30, (12, 12, 3)), 0, 255)
    return Image.fromarray(pixels)


def make_shop(root: Path) -> Shop:
    """Three classes, 24 training and 8 test photos each, in the folder."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    for split, count in (("train", 24), ("test", 8)):
        for name, colour in COLOURS.items():
            for number in range(count):
                image_id = f"{split}{name}{number}"
                photo(colour, rng).save(root / "images" / f"{image_id}.jpg", quality=90)
                rows[split].append((image_id, name))
    for split, listed in rows.items():
        pd.DataFrame(listed, columns=["id", "articleType"]).to_csv(
            root / f"{split}.csv", index=False
        )
    return Shop(root)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """See make_shop."""
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def unpictured(monkeypatch):
    """Runs without pictures and reports, which take longer here than all else that they do."""
    leave_out_pictures(monkeypatch.setattr)


def leave_out_pictures(replace: Callable[[object, str, object], None]) -> None:
    """Replace what `main` makes pictures and reports with."""
    import fewshot.main

    for part in ("write_pictures", "log_pictures", "present"):
        assert hasattr(fewshot.main, part), part
        replace(fewshot.main, part, lambda *_: None)
