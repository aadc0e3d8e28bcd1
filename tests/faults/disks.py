"""Disks that fill, fail or go away while a run writes."""

import errno
import functools
import os
import random
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.faults import child
from tests.faults.scenes import Scene, differences, fingerprint, leftovers, make_shop
from tests.faults.stopped import Whole, whole
from tests.faults.tally import Tally

ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES)
_AFTER = 4  # the last uses of files let go of the folder: the run is done
_LOG = 8192  # bytes, more than what a run says
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND


def disks(place: Path, seed: int, many: int) -> list[Tally]:
    """Errors at each use of a file, limits of a file's size, disks of every size, gone folders."""
    run = whole(Scene("transfer", make_shop(place / "shop"), place / "whole"))
    rng = random.Random(seed)
    return [
        _injected(run, rng, many),
        _limited(run, rng, many // 2),
        _small_disks(run, many // 2),
        _removed(run, rng, many // 4),
    ]


def _injected(run: Whole, rng: random.Random, many: int) -> Tally:
    """From a random use of a file on, every opening for writing and every new folder fails."""
    tally = Tally("a disk that refuses from some write on")
    for number in range(many):
        at, code = rng.randrange(run.events), ERRORS[number % len(ERRORS)]

        def refuse(event: str, arguments: tuple[Any, ...], code: int = code) -> None:
            writes = event == "open" and int(arguments[2] or 0) & _WRITES
            if writes or event == "os.mkdir":
                raise OSError(code, os.strerror(code), str(arguments[0]))

        prepare = functools.partial(child.at_event, at, run.scene.output.with_name("disk"), refuse)
        _attempt(run, f"{errno.errorcode[code]} at {at}", prepare, tally)
    return tally


def _limited(run: Whole, rng: random.Random, many: int) -> Tally:
    """No file may be larger than so many bytes."""
    tally = Tally("files of a limited size (ulimit -f)")
    sizes = [path.stat().st_size for path in run.scene.output.rglob("*") if path.is_file()]
    sizes = [size for size in sizes if size > 2 * _LOG]
    for _ in range(many):
        most = rng.choice(sizes) - rng.choice((1, 1, 100, _LOG))
        limits = (most, resource.RLIM_INFINITY)
        prepare = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
        _attempt(run, f"{most} bytes a file", prepare, tally)
    return tally


def _small_disks(run: Whole, many: int) -> Tally:
    """Disks in memory of every size from nothing to enough; they take root, or are left out."""
    tally = Tally("disks (tmpfs) from nothing to enough")
    enough = sum(path.stat().st_size for path in run.scene.output.rglob("*") if path.is_file())
    for number in range(many):
        size = max(4096, round(1.3 * enough * number / max(1, many - 1)))
        with _tmpfs(run.scene.output.with_name("disk"), size) as mounted:
            if not mounted:
                tally.add("left out", "no tmpfs can be mounted here")
                continue
            _attempt(run, f"a disk of {size:,} bytes", lambda: None, tally, mounted)
    return tally


@contextmanager
def _tmpfs(place: Path, size: int) -> Iterator[Callable[[], object] | None]:
    """Mounted there, what makes it large enough; None where that may not be done."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    larger = ["mount", "-o", "remount,size=1g", str(place)]
    try:
        yield lambda: subprocess.run(larger, capture_output=True, check=True)
    finally:
        subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


def _removed(run: Whole, rng: random.Random, many: int) -> Tally:
    """The experiment's folder is removed, or renamed, at a random use of a file."""
    tally = Tally("the folder removed or renamed while it runs")
    scene = replace(run.scene, output=run.scene.output.with_name("gone"))
    log = scene.output.with_suffix(".log")
    for number in range(many):
        _fresh(scene)
        at = rng.randrange(run.events - _AFTER)

        def work(at: int = at, number: int = number) -> int:
            child.at_event(at, scene.output, _Removal(scene.folder, rename=number % 2 == 0))
            return scene.run(scene.command())

        code, told = child.outcome(work, log), log.read_text()
        unnoticed = code == 0 and not (scene.folder / "config.gin").is_file()
        if "Traceback" in told:
            tally.add("traceback", f"removed at {at}: {told}")
        elif unnoticed and not (scene.output / "away/report.html").is_file():
            tally.add("unnoticed", f"removed at {at}: {told}")
        else:
            tally.add({0: "finished before", 2: "refused"}.get(code, f"exit code {code}"), told)
    return tally


class _Removal:
    """Removes or renames a folder, once it holds a run."""

    def __init__(self, folder: Path, rename: bool) -> None:
        self.folder, self.rename, self.done = folder, rename, False

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.done or not (self.folder / "config.gin").is_file():
            return
        self.done = True
        if self.rename:
            self.folder.rename(self.folder.with_name("away"))
        else:
            shutil.rmtree(self.folder)


def _fresh(scene: Scene) -> None:
    shutil.rmtree(scene.output, ignore_errors=True)
    scene.output.mkdir(parents=True)


def _attempt(
    run: Whole,
    where: str,
    prepare: Callable[[], object],
    tally: Tally,
    mend: Callable[[], object] | None = None,
) -> None:
    """A run under a fault, then with the fault gone: one message, and the same results in the end.

    mend: what makes the disk large enough; None starts from an empty folder.
    """
    scene = replace(run.scene, output=run.scene.output.with_name("disk"))
    if mend is None:
        _fresh(scene)
    log = scene.output.with_suffix(".log")

    def work() -> int:
        prepare()
        return scene.run(scene.command())

    code, told = child.outcome(work, log), log.read_text()
    if code not in (0, 2) or "Traceback" in told or told.count("error: ") != (code == 2):
        tally.add("traceback" if "Traceback" in told else f"exit code {code}", f"{where}: {told}")
        return
    if mend is not None:
        mend()
    if code == 2 and child.outcome(lambda: scene.run(scene.go_on()), log) != 0:
        tally.add("stuck", f"{where}: {told}\n{log.read_text()}")
        return
    apart = _differences(scene, run, pictures=code == 2)
    left = leftovers(scene.output)
    what = "other results" if apart else "leftovers" if left else "refused" if code else "right"
    tally.add(what, f"{where}: {apart} {left} {told}")


def _differences(scene: Scene, run: Whole, pictures: bool) -> str:
    """As `differences`; without pictures where they could be no more than a warning."""
    found, wanted = fingerprint(scene.folder), dict(run.came_of_it)
    if not pictures:
        del found["files"], wanted["files"]
    return differences(found, wanted)
