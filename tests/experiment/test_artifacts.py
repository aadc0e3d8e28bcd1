import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder, json_ready


def test_an_existing_name_is_refused(tmp_path):
    folder = ExperimentFolder(tmp_path / "mine")
    folder.create()
    folder.write_text("config.gin", "")
    with pytest.raises(UserError) as caught:
        ExperimentFolder(tmp_path / "mine").create()
    assert "mine already exists: choose another --name" in str(caught.value)
    assert f"--resume {tmp_path / 'mine'}" in str(caught.value)


def test_an_unwritable_parent_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file is not a folder: choose another --output-dir"):
        ExperimentFolder(tmp_path / "file" / "runs" / "mine").check_free()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=f"{tmp_path} may not be written"):
        ExperimentFolder(tmp_path / "runs" / "mine").check_free()


def test_a_parent_that_the_system_refuses_is_named(tmp_path, monkeypatch):
    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match=r"mine cannot be created \(Permission denied\)"):
        ExperimentFolder(tmp_path / "mine").create()


def test_open_wants_an_experiment(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        ExperimentFolder.open(tmp_path / "none")
    with pytest.raises(UserError, match=r"has no config\.gin, so it is not an experiment's"):
        ExperimentFolder.open(tmp_path)
    (tmp_path / "config.gin").write_text("")
    assert ExperimentFolder.open(tmp_path).name == tmp_path.name


def test_formats(tmp_path):
    folder = ExperimentFolder(tmp_path / "run")
    folder.create()
    folder.write_text("config.gin", "a = 'ü'\n")
    folder.write_bytes("raw.bin", b"\x00\x01")
    folder.write_json("results.json", {"top1": np.float32(0.5), "ci95": float("nan")})
    folder.write_csv("per_class.csv", pd.DataFrame({"class": ["a,b"], "top1": [0.5]}))
    assert folder.config.read_text(encoding="utf-8") == "a = 'ü'\n"
    assert (folder.path / "raw.bin").read_bytes() == b"\x00\x01"
    assert json.loads(folder.results.read_text()) == {"top1": 0.5, "ci95": None}
    assert (folder.path / "per_class.csv").read_text() == 'class,top1\n"a,b",0.5\n'


def test_every_file_of_the_folder_has_its_name(tmp_path):
    folder = ExperimentFolder(tmp_path)
    named = {
        folder.config: "config.gin",
        folder.operative: "operative.gin",
        folder.environment: "environment.json",
        folder.metrics: "metrics.jsonl",
        folder.results: "results.json",
        folder.model: "model.mdl",
        folder.last_checkpoint: "last.ckpt",
        folder.tensorboard: "tensorboard",
    }
    assert named == {path: name for path, name in named.items() if path == tmp_path / name}


def test_a_rank_that_does_not_write_writes_nothing(tmp_path):
    folder = ExperimentFolder(tmp_path / "run", writes=False)
    folder.create()
    folder.write_text("config.gin", "")
    assert not list(tmp_path.iterdir())


def test_json_ready():
    value = {1: (np.int64(2), np.array([1.5, math.inf])), "path": Path("a/b"), "none": None}
    assert json_ready(value) == {"1": [2, [1.5, None]], "path": "a/b", "none": None}


@pytest.mark.parametrize("name", ["../out.csv", "/tmp/out.csv", "tables/../../out.csv", ""])
def test_nothing_is_written_outside_the_folder(tmp_path, name):
    folder = ExperimentFolder(tmp_path / "run")
    folder.create()
    with pytest.raises(UserError, match="is no name of a file inside"):
        folder.write_with(name, lambda path: path.write_text("x"))
    assert [path.name for path in tmp_path.rglob("*.csv")] == []


def test_a_link_out_of_the_folder_is_not_followed(tmp_path):
    folder = ExperimentFolder(tmp_path / "run")
    folder.create()
    (folder.path / "tables").symlink_to(tmp_path)
    with pytest.raises(UserError, match="is no name of a file inside"):
        folder.write_with("tables/out.csv", lambda path: path.write_text("x"))
