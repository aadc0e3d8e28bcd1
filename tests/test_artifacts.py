import json
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fewshot.artifacts import ExperimentFolder, json_ready, write_atomically
from fewshot.errors import UserError


def _names(path):
    return sorted(item.name for item in path.iterdir())


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "figures.csv"
    path.write_text("old")

    def half(part):
        part.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, half)
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["figures.csv"]


def test_nothing_is_in_place_while_it_is_written_and_the_suffix_is_kept(tmp_path):
    path = tmp_path / "pictures" / "curve.png"
    seen = []

    def writer(part):
        seen.append(part.suffix)
        assert part.parent == path.parent and not path.exists()
        part.write_text("picture")

    write_atomically(path, writer)
    assert seen == [".png"]
    assert _names(path.parent) == ["curve.png"]


def test_leftovers_of_a_killed_process_are_overwritten(tmp_path):
    path = tmp_path / "model.mdl"
    parts = []
    write_atomically(path, lambda part: _note(parts, part))
    parts[0].write_text("left by a killed process, longer than the new content")
    write_atomically(path, lambda part: _note(parts, part, "two"))
    assert path.read_text() == "two"
    assert _names(tmp_path) == ["model.mdl"]


def _note(parts, part, text="one"):
    parts.append(part)
    part.write_text(text)


def test_a_full_disk_is_said(tmp_path):
    def full(part):
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match=r"a\.csv cannot be written \(No space left on device\)"):
        write_atomically(tmp_path / "a.csv", full)


def test_other_errors_pass(tmp_path):
    def missing(part):
        raise FileNotFoundError(2, "No such file", "font.ttf")

    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "a.csv", missing)


def test_an_existing_name_is_refused(tmp_path):
    folder = ExperimentFolder(tmp_path / "mine")
    folder.create()
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
    assert _names(tmp_path) == []


def test_json_ready():
    value = {1: (np.int64(2), np.array([1.5, math.inf])), "path": Path("a/b"), "none": None}
    assert json_ready(value) == {"1": [2, [1.5, None]], "path": "a/b", "none": None}
