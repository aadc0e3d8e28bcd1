"""Two processes embed what one does, bit by bit and no image twice."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fewshot.models.prediction import decoded
from tests.distributed.evaluating import evaluate, index
from tests.models.known_model import write_model

ROOT = Path(__file__).parents[2]
ROWS = 43  # with 8 a batch: 3 batches and 3, of which the last has 3 images


def by_two(folder: Path, *places: Path) -> list[str]:
    """Two processes, each with one thread; what each says."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.distributed.evaluating", folder, str(ROWS), *places],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [(folder / f"rank{rank}.log").read_text() for rank in "01"]


def told(folder: Path, processes: int) -> list[dict]:
    return [json.loads((folder / f"rank{i}.json").read_text()) for i in range(processes)]


@pytest.fixture(scope="module")
def both(tmp_path_factory, shop):
    place = tmp_path_factory.mktemp("evaluation")
    photos = place / "photos"
    photos.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (ROWS, 16, 16, 3), np.uint8)
    for number, picture in enumerate(pixels):
        Image.fromarray(picture).save(photos / f"{number:02}.png")
    for broken in (3, *range(16, 24)):  # one of a batch, and all of another
        (photos / f"{broken:02}.png").write_bytes(b"no picture")
    for name in "12":
        (place / name).mkdir()
        write_model(place / name / "x.mdl")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    evaluate(place / "1", ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoded, "BATCH", 8)
        assert index(place / "1", photos) == 0
    torch.set_num_threads(threads)
    (place / "said.json").write_text(json.dumps(by_two(place / "2", photos, shop.root)))
    return place, told(place / "1", 1), told(place / "2", 2)


@pytest.mark.slow
def test_results_are_those_of_one_process(both):
    place = both[0]
    alone, together = (torch.load(place / name / "results.pt") for name in ("1", "2"))
    assert [len(part) for part in alone] == [ROWS, ROWS, 2, ROWS // 2]
    for one, two in zip(alone, together, strict=True):
        assert torch.equal(one, two)


@pytest.mark.slow
def test_each_image_is_computed_once_and_by_both(both):
    _, (alone,), (first, second) = both
    assert Counter(first["seen"] + second["seen"]) == Counter(alone["seen"])
    assert len(first["seen"]) == 24 + 21 - 8, "four of six batches, and two of three of the scores"
    assert len(second["seen"]) == len(alone["seen"]) - len(first["seen"])


@pytest.mark.slow
def test_one_that_cannot_is_told_by_the_first_and_weights_are_given_back(both):
    _, (alone,), (first, second) = both
    assert alone["refused"] == first["refused"] == "row 17 cannot be read"
    assert second["refused"] is None
    assert first["same"] and second["same"]


@pytest.mark.slow
def test_a_gallery_is_that_of_one_process(both):
    alone, together = (both[0] / name / "x.gallery" for name in ("1", "2"))
    names = sorted(path.name for path in alone.iterdir())
    assert names == ["ends.i64", "features.f32", "gallery.json", "labels.i32", "names.txt"]
    for name in names:
        assert (alone / name).read_bytes() == (together / name).read_bytes(), name
    assert json.loads((alone / "gallery.json").read_text())["rows"] == ROWS - 9


@pytest.mark.slow
def test_the_first_process_says_what_could_not_be_read_and_all_refuse_other_photos(both):
    first, second = json.loads((both[0] / "said.json").read_text())
    assert "9 photos could not be read, the first: " in first
    assert "could not be read" not in second
    for said in (first, second):
        assert "the processes were not started alike: the command line of process 1 differs" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "message",
    [
        "error: CSV file not found: /no/such/train.csv. ",
        "error: the model '/no/such/model.mdl' does not exist: ",
        "/no/such/x.mdl",
    ],
    ids=["before they have met", "once they have", "index"],
)
def test_what_one_process_is_refused_for_all_are(both, message):
    first, second = (
        [line for line in said.splitlines() if message in line]
        for said in json.loads((both[0] / "said.json").read_text())
    )
    assert len(first) == 1
    assert first == second
