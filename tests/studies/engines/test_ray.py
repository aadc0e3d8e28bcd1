"""A Ray cluster of two nodes here: a lost run goes on, and the table is the local one."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.studies.engines.engine import build_engine
from fewshot.studies.engines.options import EngineOptions
from fewshot.studies.engines.ray import RayEngine
from fewshot.studies.engines.waiting import LOST

GRID = ["study", "grid", "configs/transfer.gin", "--vary", "torch.optim.Adam.lr", "1e-3", "1e-1"]


@pytest.fixture(scope="module")
def cluster():
    """The address of a cluster of two nodes with a core each."""
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # read when Ray is imported
    from ray.cluster_utils import Cluster

    each = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args=each)
    made.add_node(**each)
    yield made.address
    made.shutdown()
    assert not [child for child in children(os.getpid()) if b"ray" in command(child)]


def children(parent):
    """The ids of a process's children."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(stat.parent.name))
        except OSError:
            continue
    return found


def command(process):
    """Its command line; empty where it is gone."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def kill_worker_of(folder):
    """SIGKILL for the worker that computes the run in this folder, once that has begun."""
    for _ in range(2000):
        for stat in Path("/proc").glob("[0-9]*/stat"):
            process = int(stat.parent.name)
            words = command(process).split(b"\0")
            if folder.name.encode() in words and (folder / "config.gin").exists():
                worker = int(stat.read_text().rpartition(")")[2].split()[1])
                os.kill(worker, signal.SIGKILL)
                return
        time.sleep(0.05)
    pytest.fail(f"no worker computes {folder}")


def table(place):
    return pd.read_csv(place / "grid-transfer" / "table.csv")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_study_survives_the_loss_of_a_worker(cluster, tmp_path, tiny, in_process):
    here, there = tmp_path / "local", tmp_path / "ray"
    assert main([*GRID, *tiny, "--output-dir", str(here)]) == 0
    first = in_process[0]
    engine = ["--engine", "ray", "--address", cluster, "--jobs", "2", "--resources", "CPU=1"]
    study = subprocess.Popen(
        [sys.executable, "-m", "fewshot", *GRID, *tiny, "--output-dir", str(there), *engine],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    place = there / "grid-transfer"
    kill_worker_of(place / first)
    told = study.communicate(timeout=200)[0]
    assert study.returncode == 0, told
    assert f"{first} was lost with its worker, and starts again" in told
    assert "1 of 2 runs are done, 1 going on" in told
    logs = [(place / "logs" / f"{name}.log").read_text() for name in in_process]
    assert [log.count("images,") for log in logs] == [6, 3], "three splits, at each start"
    pd.testing.assert_frame_equal(table(there), table(here), rtol=1e-5)
    # what is there is not computed again, whatever the engine
    in_process.clear()
    assert main([*GRID, *tiny, "--output-dir", str(there)]) == 0
    assert in_process == []


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("nonsense", "--address nonsense: give HOST:PORT of a Ray cluster, or 'auto'"),
        ("http://127.0.0.1:80", "give HOST:PORT"),
        ("127.0.0.1:99999", "--address 127.0.0.1:99999: no Ray cluster answers there"),
        (
            "127.0.0.1:FREE",
            r"no Ray cluster answers there \(.* refused\)\. Start one with ray start",
        ),
    ],
)
def test_an_address_without_a_cluster_is_refused_at_once(address, text):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # a port at which nobody listens
        address = address.replace("FREE", str(taken.getsockname()[1]))
        with pytest.raises(UserError, match=text):
            build_engine("ray", EngineOptions(address=address))


class FakeRay:
    """A cluster of given machines, on which no task ever ends unless it is told to."""

    def __init__(self, *machines):
        self.machines = list(machines)
        self.ended, self.timeouts, self.cancelled = [], [], []
        self.exceptions = SimpleNamespace(
            TaskCancelledError=KeyError, RayTaskError=IndexError, RayError=LookupError
        )

    def nodes(self):
        return [{"Alive": alive, "Resources": has} for alive, has in self.machines]

    def remote(self, function):
        return self

    def options(self, **options):
        self.asked = options
        return SimpleNamespace(remote=lambda *_: "task")

    def wait(self, tasks, timeout):
        self.timeouts.append(timeout)
        return (tasks, []) if self.ended else ([], tasks)

    def get(self, task, timeout):
        outcome = self.ended.pop()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def cancel(self, task):
        self.cancelled.append(task)


def test_a_run_is_asked_for_with_its_resources_and_refused_where_no_machine_has_them():
    ray = FakeRay(
        (True, {"CPU": 4.0, "GPU": 1.0, "memory": 2e9, "disk": 1.0}), (True, {"CPU": 8.0})
    )
    asked = {"GPU": 1.0, "memory": 1e9, "disk": 1.0}
    RayEngine(ray, EngineOptions(resources=asked))
    assert ray.asked == {
        **{"num_cpus": 1.0, "num_gpus": 1.0, "memory": 1e9},
        **{"resources": {"disk": 1.0}, "max_retries": 0},
    }
    text = "no machine of the Ray cluster has CPU=8, GPU=1, .*: CPU=4, GPU=1; CPU=8, GPU=0. Change"
    with pytest.raises(UserError, match=text):
        RayEngine(ray, EngineOptions(resources={"CPU": 8.0, "GPU": 1.0}))


def test_what_becomes_of_a_task_is_seen_as_of_a_process(tmp_path):
    ray = FakeRay((True, {"CPU": 1.0}))
    run = RayEngine(ray, EngineOptions()).start(["python"], tmp_path / "log")
    assert run.poll() is None
    for outcome, code in ((0, 0), (2, 2), (KeyError(), 130), (LookupError("gone"), LOST)):
        ray.ended = [outcome]
        assert run.poll() == code
    ray.ended = [IndexError("no such folder")]
    with pytest.raises(UserError, match="on a machine of the cluster: no such folder"):
        run.poll()
    run.terminate()
    assert ray.cancelled == ["task"]
    assert set(ray.timeouts) == {0}, "none is waited for while others go on"
    assert RayEngine.patience == 60


def test_a_run_does_not_wait_for_a_machine_that_is_gone(tmp_path, monkeypatch):
    ray = FakeRay((True, {"CPU": 1.0}))
    engine = RayEngine(ray, EngineOptions())
    run = engine.start(["python"], tmp_path / "log")
    ray.machines = [(False, {"CPU": 1.0})]
    engine.look()  # machines are looked at now and then
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 11)
    assert run.poll() is None, "what is to stop can be waited for"
    with pytest.raises(UserError, match="they have: none is left"):
        engine.look()
