"""Two processes embed what one does, bit by bit, and no image twice."""

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from tests.distributed.evaluating import evaluate

ROOT = Path(__file__).parents[2]
ROWS = 43  # with 8 a batch: 3 batches and 3, of which the last has 3 images


def by_two(folder: Path) -> None:
    """Two processes that meet at a port, each with one thread."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    script = [sys.executable, "-m", "tests.distributed.evaluating", str(folder), str(ROWS)]
    environment = os.environ | meeting | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    going = [subprocess.Popen(script, cwd=ROOT, env=environment | {"RANK": rank}) for rank in "01"]
    try:
        assert [process.wait(100) for process in going] == [0, 0]
    finally:
        for process in going:
            process.kill()


def told(folder: Path, processes: int) -> list[dict]:
    return [json.loads((folder / f"rank{i}.json").read_text()) for i in range(processes)]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    place = tmp_path_factory.mktemp("evaluation")
    for name in "12":
        (place / name).mkdir()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    evaluate(place / "1", ROWS)
    torch.set_num_threads(threads)
    by_two(place / "2")
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
