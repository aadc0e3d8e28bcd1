import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import torch.distributed as dist

from fewshot.errors import UserError
from fewshot.training.launched import Launch, launch_of, meet, store_of_this_start
from tests.distributed.meeting import free_port

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
    port = free_port()
    for name, value in (STARTED | {"MASTER_PORT": str(port)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with pytest.raises(UserError) as caught:
        meet("cpu", within=timedelta(seconds=1))
    monkeypatch.delenv("TORCHELASTIC_RUN_ID")
    assert f"process 1 of 4 could not meet the others at 127.0.0.1:{port}" in str(caught.value)


def test_a_restart_does_not_take_the_addresses_of_processes_that_have_ended():
    # torchrun's store outlives a restart; the first process is late, so that the second one finds
    # what those before had written there
    server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for start, late in ("one", 0.0), ("two", 0.5):
        with ThreadPoolExecutor(3) as threads:
            waits = (late, 0.0, late / 2)
            meetings = [threads.submit(_meet, server.port, rank, waits[rank]) for rank in range(3)]
            stores = [meeting.result(20) for meeting in meetings]
        for rank, store in enumerate(stores):
            assert not store.check(["address/0"]) or rank, "what another start has written"
            store.set(f"address/{rank}", f"{start} {rank}")
        for store in stores:
            found = [store.get(f"address/{rank}").decode() for rank in range(3)]
            assert found == [f"{start} 0", f"{start} 1", f"{start} 2"]


def _meet(port: int, rank: int, late: float) -> dist.Store:
    time.sleep(late)
    store = dist.TCPStore("127.0.0.1", port, is_master=False, wait_for_workers=False)
    return store_of_this_start(store, rank, 3, timedelta(seconds=10))


def test_who_does_not_come_to_this_start_is_named():
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    with pytest.raises(RuntimeError, match="no word from process 1, 2"):
        store_of_this_start(store, 0, 3, timedelta(seconds=0.1))
