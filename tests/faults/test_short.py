"""A few faults of each kind; `make faults` has the thousands."""

import subprocess
import sys

import pytest

from fewshot.binding.locating import REPOSITORY
from tests.faults.tally import Tally


def short(*parts, timeout=280):
    command = [sys.executable, "-m", "tests.faults", "--short", *parts]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout, check=False
    )


@pytest.mark.slow
def test_a_few_faults_of_each_kind_are_survived():
    answer = short("inputs", "kills", "stops")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.endswith("0 faults\n")
    for kind in ("CSVs, read", "-p bindings", "checkpoints", "packed pixels", "SIGKILL"):
        assert f"\n{kind}" in f"\n{answer.stdout}"


def test_a_part_that_there_is_not_is_named():
    answer = short("kill")
    assert answer.returncode == 2
    assert "there is no part kill; there are: inputs, hostile, kills," in answer.stderr


def test_a_line_tells_outcomes_and_shows_faults():
    tally = Tally("pictures")
    tally.add("read")
    tally.add("refused")
    assert "2 cases  0 faults" in tally.line() and "1 read, 1 refused" in tally.line()
    tally.add("traceback", "case 3")
    assert "1 FAULTS" in tally.line() and tally.line().endswith("\n    traceback: case 3")
