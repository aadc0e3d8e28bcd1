import json
import platform
import subprocess
from datetime import datetime, timedelta

import numpy
import torch

from fewshot.experiment.environment import cpu_model, environment, git_state


def test_the_facts_are_those_of_this_process(tmp_path):
    facts = environment(["experiment.py", "-c", "a.gin"], 7, [tmp_path])
    assert facts["command"] == ["experiment.py", "-c", "a.gin"]
    assert facts["seed"] == 7
    assert facts["plugin_folders"] == [str(tmp_path)]
    assert facts["versions"]["python"] == platform.python_version()
    assert facts["versions"]["torch"] == torch.__version__
    assert facts["versions"]["numpy"] == numpy.__version__
    assert facts["threads"] == torch.get_num_threads()
    assert facts["hardware"]["cores"] >= facts["hardware"]["usable_cores"] >= 1
    assert facts["hardware"]["memory"] > 2**27
    assert len(facts["hardware"]["gpus"]) == torch.cuda.device_count()
    started = datetime.fromisoformat(facts["started"])
    assert started.utcoffset() == timedelta(0)
    assert json.loads(json.dumps(facts)) == facts


def _git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True
    )


def test_git_commit_and_whether_it_was_dirty(tmp_path):
    _git(tmp_path, "init")
    (tmp_path / "a").write_text("one")
    _git(tmp_path, "add", "a")
    _git(tmp_path, "commit", "-m", "one")
    clean = git_state(tmp_path)
    head = subprocess.run(
        ["git", "-C", str(tmp_path), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    assert clean == {"commit": head, "dirty": False}
    (tmp_path / "a").write_text("two")
    assert git_state(tmp_path) == {"commit": head, "dirty": True}


def test_no_repository_or_no_git(tmp_path, monkeypatch):
    nothing = {"commit": None, "dirty": None}
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) == nothing
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) == nothing


def test_cpu_model(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Abacus 3000\n")
    assert cpu_model(tmp_path / "cpuinfo") == "Abacus 3000"
    assert cpu_model(tmp_path / "none") == platform.processor() or platform.machine()
