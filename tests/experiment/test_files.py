import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fewshot.errors import UserError
from fewshot.experiment.files import refuse_what_is_no_file, write_atomically


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


def test_an_interruption_that_a_library_wraps_stays_one(tmp_path):
    def interrupted(part):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("unexpected pos")

    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "a.pt", interrupted)
    assert _names(tmp_path) == []


LIMITED = """
import resource, sys, torch
import numpy as np
from pathlib import Path
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
writers = {
    "text": lambda part: part.write_text("x" * 10_000_000),
    "numpy": lambda part: np.save(part, np.zeros(10_000_000, np.uint8)),
    "torch": lambda part: torch.save(torch.zeros(1_000_000), part),
}
for name, writer in writers.items():
    try:
        write_atomically(Path(sys.argv[1]) / f"{name}.npy", writer)
    except UserError as error:
        print(error)
"""


def test_a_limit_of_the_file_size_is_said_whoever_writes(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", LIMITED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"{tmp_path}/{name}.npy cannot be written (File too large): free some space, or choose "
        "another folder."
        for name in ("text", "numpy", "torch")
    ]
    assert _names(tmp_path) == []


def test_a_folder_that_goes_while_it_is_written_is_said(tmp_path):
    folder = tmp_path / "run"

    def remove(part):
        part.write_text("x")
        shutil.rmtree(folder)

    with pytest.raises(
        UserError, match=r"run/a\.csv cannot be written \(No such file or directory"
    ):
        write_atomically(folder / "a.csv", remove)


@pytest.mark.parametrize("name", ["folder", ".", "folder/.."])
def test_a_folder_is_refused_before_its_writer_runs(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="is a folder: name a file to write"):
        write_atomically(Path(name), lambda path: pytest.fail("it was computed"))


def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=r"pipe' is a device or a pipe, not a file: name a file"):
        write_atomically(tmp_path / "pipe", lambda path: path.write_text("new"))
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("way", ["link", "link of a link", "folder", "itself"])
@pytest.mark.parametrize("streams", ["/proc/self/fd", "/proc/thread-self/fd", "/dev/fd"])
def test_a_link_to_an_open_stream_is_not_replaced(tmp_path, way, streams):
    """As /dev/stdout is one: `> out.csv` makes of it a link to a regular file."""
    with (tmp_path / "out.csv").open("w") as stream:
        target = Path(streams) / str(stream.fileno())
        (tmp_path / "stdout").symlink_to(target)
        (tmp_path / "again").symlink_to("stdout")
        (tmp_path / "streams").symlink_to(streams)
        path = {
            "link": tmp_path / "stdout",
            "link of a link": tmp_path / "again",
            "folder": tmp_path / "streams" / target.name,
            "itself": target,
        }[way]
        refusal = r"' is a stream that is open already, not a file: name a file to write\."
        with pytest.raises(UserError, match=refusal):
            write_atomically(path, lambda path: pytest.fail("it was computed"))
        with pytest.raises(UserError, match=r"name a file to write, or sing\.$"):
            refuse_what_is_no_file(path, ", or sing")
    links = [(tmp_path / name).is_symlink() for name in ("stdout", "again", "streams")]
    assert links == [True] * 3
    assert _names(tmp_path) == ["again", "out.csv", "stdout", "streams"]


def test_other_links_are_in_no_way_of_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "short").symlink_to("folder")
    (tmp_path / "dead").symlink_to("nowhere")
    (tmp_path / "round").symlink_to("round")
    for name in ("short/a.csv", "dead", "round", "fd"):
        refuse_what_is_no_file(tmp_path / name)
        write_atomically(tmp_path / name, lambda part: part.write_text("new"))
        assert (tmp_path / name).read_text() == "new"


@pytest.mark.parametrize("name", ["loop/a.csv", "loop/further/a.csv"])
def test_a_link_to_itself_on_the_way_is_one_message(tmp_path, name):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match=r"a\.csv cannot be written \(Too many levels of symbolic"):
        write_atomically(tmp_path / name, Path.touch)
