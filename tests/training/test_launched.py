import os
import socket
import subprocess
import sys
import time
from datetime import timedelta

import pytest
import torch.distributed as dist

from fewshot.errors import UserError
from fewshot.training.launched import Launch, launch_of, meet

STARTED = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "1",
}


def test_processes_are_counted_by_machine():
    assert launch_of(STARTED) == Launch(devices=2, nodes=2)
    assert launch_of({}) is None
    assert launch_of({"RANK": "0", "WORLD_SIZE": "1"}) is None
    # so Fabric's own launcher starts its processes
    assert launch_of({"LOCAL_RANK": "1", "NODE_RANK": "0", "WORLD_SIZE": "2"}) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MASTER_ADDR": "", "MASTER_PORT": ""}, "4 processes .*but MASTER_ADDR, MASTER_PORT not"),
        ({"LOCAL_WORLD_SIZE": "two"}, "4 processes .*start them with torchrun"),
        ({"LOCAL_WORLD_SIZE": "3"}, "WORLD_SIZE is 4, no multiple of this machine's 3"),
    ],
)
def test_what_is_missing_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        launch_of(STARTED | changes)


def test_others_that_do_not_come_are_not_waited_for_without_end(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, value in (STARTED | {"MASTER_PORT": str(port)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with pytest.raises(UserError) as caught:
        meet("cpu", within=timedelta(seconds=1))
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert f"process 1 of 4 could not meet the others at 127.0.0.1:{port}" in str(caught.value)


WORKER = """
import os, time, torch, torch.distributed as dist
from datetime import timedelta
from fewshot.training.launched import meet
time.sleep(float(os.environ["LATE"]))
meet("cpu", within=timedelta(seconds=30))
one = torch.ones(1)
dist.all_reduce(one)
print(int(one))
os._exit(0)
"""


def test_a_restart_does_not_take_the_addresses_of_processes_that_have_ended():
    # torchrun's store outlives a restart; the first process is late, so that the second one finds
    # what the one before it had written there
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for late in (0.0, 3.0):
        processes = [_worker(rank, store.port, late if rank == 0 else 0.0) for rank in (0, 1)]
        ends = time.monotonic() + 60
        try:
            said = [p.communicate(timeout=ends - time.monotonic())[0] for p in processes]
        finally:
            for process in processes:
                process.kill()
        assert said == ["2\n", "2\n"]


def _worker(rank: int, port: int, late: float) -> "subprocess.Popen[str]":
    started = {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
        "LATE": str(late),
    }
    command = [sys.executable, "-c", WORKER]
    environment = os.environ | started
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
