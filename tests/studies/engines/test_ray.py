"""A Ray cluster of two nodes here: a lost run goes on, and the table is the same."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from fewshot.studies import runs
from fewshot.studies.engines.engine import build_engine
from fewshot.studies.engines.options import EngineOptions
from fewshot.studies.plan import PlannedRun

# what stands in for a run: it takes a while, notes each of its starts, and leaves its figure
RUN = """
import json, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
with (folder / "started").open("a") as file:
    file.write(".")
time.sleep(float(sys.argv[2]))
figure = {"status": "completed", "test": {"top1": len(folder.name) / 10}}
(folder / "results.json").write_text(json.dumps(figure))
"""


@pytest.fixture
def cluster():
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")  # read when it is imported
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made.address
    ray.shutdown()
    made.shutdown()


def planned(seconds):
    return [PlannedRun("a" * number, [str(seconds)]) for number in (1, 2, 3)]


def command(run, parent):
    folder = Path(parent) / run.name
    if (folder / "results.json").is_file():
        return None
    return [sys.executable, "-c", RUN, str(folder), *run.configs]


def table(place):
    found = {}
    for folder in sorted(path for path in place.iterdir() if path.name != "logs"):
        found[folder.name] = (folder / "results.json").read_text()
    return found


def kill_a_worker(ours):
    """The first worker that computes a run gets SIGKILL."""
    for _ in range(600):
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                words = stat.with_name("cmdline").read_bytes().split(b"\0")
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if words[3:4] == [str(ours / "a").encode()] and (ours / "a" / "started").exists():
                os.kill(parent, signal.SIGKILL)
                return
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_study_survives_the_loss_of_a_worker(cluster, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(runs, "command", command)
    build_engine("local", EngineOptions()).complete(planned(0), tmp_path / "local")
    engine = build_engine("ray", EngineOptions(2, cluster, {"CPU": 1}))
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "ray",))
    killer.start()
    assert engine.complete(planned(4), tmp_path / "ray") == []
    killer.join()
    assert "a was lost with its worker, and starts again" in caplog.text
    assert (tmp_path / "ray" / "a" / "started").read_text() == ".."
    assert table(tmp_path / "ray") == table(tmp_path / "local")
    assert engine.complete(planned(0), tmp_path / "ray") == []
    assert (tmp_path / "ray" / "aa" / "started").read_text() == ".", "nothing is repeated"
