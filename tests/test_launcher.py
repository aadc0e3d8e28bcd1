import os
from datetime import UTC, datetime

import pytest

from fewshot.launcher import is_peer, is_restart, launch_id, launch_time


@pytest.mark.parametrize("name", ["TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"])
def test_a_launcher_that_starts_again_says_so(monkeypatch, name):
    for other in ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT"):
        monkeypatch.delenv(other, raising=False)
    assert not is_restart()
    monkeypatch.setenv(name, "0")
    assert not is_restart()
    monkeypatch.setenv(name, "2")
    assert is_restart()


def test_all_that_one_launcher_starts_know_one_time(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert abs((launch_time() - datetime.now(UTC)).total_seconds()) < 5
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    found = launch_time()
    assert found == launch_time() <= datetime.now(UTC)
    monkeypatch.setattr(os, "getppid", lambda: -1)
    assert abs((launch_time() - datetime.now(UTC)).total_seconds()) < 5


def test_torchruns_own_name_for_no_name_is_none(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    assert launch_id() is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert launch_id() is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job7")
    assert launch_id() == "job7"


@pytest.mark.parametrize("name", ["RANK", "LOCAL_RANK", "NODE_RANK"])
def test_a_peer_is_known_by_its_rank(monkeypatch, name):
    for other in ("RANK", "LOCAL_RANK", "NODE_RANK"):
        monkeypatch.delenv(other, raising=False)
    assert not is_peer()
    monkeypatch.setenv(name, "0")
    assert not is_peer()
    monkeypatch.setenv(name, "1")
    assert is_peer()
