import socket
from datetime import timedelta

import pytest

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
