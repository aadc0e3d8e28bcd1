"""Runs that are killed or asked to stop at random moments, then resumed or run again."""

import functools
import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.faults import child
from tests.faults.scenes import OBJECTIVES, Scene, differences, fingerprint, leftovers, make_shop
from tests.faults.tally import Tally

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MANY = 1 << 60


@dataclass(frozen=True)
class Whole:
    """A run that nothing disturbed: what came of it, in how many seconds and uses of files."""

    scene: Scene
    came_of_it: dict[str, Any]
    seconds: float
    events: int


def whole(scene: Scene) -> Whole:
    """Let the scene run to its end."""
    shutil.rmtree(scene.output, ignore_errors=True)
    scene.output.mkdir(parents=True)
    counted = scene.output.with_suffix(".events")
    counted.write_text("")

    def work() -> int:
        seen = 0

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal seen
            seen += 1

        child.at_event(0, scene.output, count)
        code = scene.run(scene.command())
        counted.write_text(str(seen))
        return code

    began = time.monotonic()
    code = child.outcome(work, scene.output / "log")
    seconds = time.monotonic() - began
    if code != 0:
        raise RuntimeError(f"{scene.name} does not run:\n{(scene.output / 'log').read_text()}")
    return Whole(scene, fingerprint(scene.folder), seconds, int(counted.read_text()))


def wholes(place: Path, only: int | None = None) -> Iterator[Whole]:
    """An undisturbed run of every objective, or of so many."""
    shop = make_shop(place / "shop")
    for name in list(OBJECTIVES)[:only]:
        yield whole(Scene(name, shop, place / name.replace("/", "-")))


def stopped(scene: Scene, moment: float, number: int, told: int) -> tuple[int, str]:
    """(exit code, log) of a run that is sent a signal after so many seconds or uses of files."""
    shutil.rmtree(scene.output, ignore_errors=True)
    scene.output.mkdir(parents=True)
    log = scene.output.with_suffix(".log")

    def work() -> int:
        sent = False

        def send(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal sent
            if not sent:
                sent = True
                os.kill(os.getpid(), told)

        if number < _MANY:
            child.at_event(number, scene.output, send)
        return scene.run(scene.command())

    began = child.start(work, log)
    if number == _MANY:
        time.sleep(moment)
        os.kill(began, told)
    return child.wait(began), log.read_text()


def phase(folder: Path) -> str:
    """How far a run had come, from what it left."""
    if not (folder / "config.gin").is_file():
        return "before the folder"
    if (folder / "results.json").is_file():
        return "report"
    if (folder / "operative.gin").is_file():
        return "figures"
    if not (folder / "last.ckpt").is_file():
        return "first steps"
    rows = (folder / "metrics.jsonl").read_text() if (folder / "metrics.jsonl").is_file() else ""
    return "evaluation" if rows.count('"train"') == 2 else "training"


def moments(rng: random.Random, run: Whole) -> tuple[float, int]:
    """A moment of the run: (seconds, _MANY), or by turns (0, a use of its files)."""
    if rng.random() < 0.5:
        return rng.uniform(0.05, run.seconds), _MANY
    return 0.0, rng.randrange(run.events)


def attempt(run: Whole, rng: random.Random, told: int, tally: Tally, phases: Tally) -> None:
    """Stop the run once, go on with it, and compare."""
    seconds, number = moments(rng, run)
    scene = replace(run.scene, output=run.scene.output.with_name("stopped"))
    where = f"{scene.name}, {signal.Signals(told).name} at {seconds or number}"
    code, log = stopped(scene, seconds, number, told)
    was = phase(scene.folder)
    where += f" ({was})"
    phases.outcomes[was] += 1
    expected = (0, -told) if told == signal.SIGKILL else (0, 130)
    if code not in expected or "Traceback" in log:
        tally.add("traceback" if "Traceback" in log else f"exit code {code}", f"{where}\n{log}")
        return
    if code == 0 and was != "report":
        tally.add("stop unnoticed", where)
        return
    again = child.outcome(functools.partial(_again, scene, code), scene.output.with_suffix(".log"))
    if again != 0:
        tally.add("stuck", f"{where}\n{scene.output.with_suffix('.log').read_text()}")
        return
    apart = differences(fingerprint(scene.folder), run.came_of_it)
    left = leftovers(scene.output)
    tally.add(
        "other results" if apart else "leftovers" if left else "right", f"{where} {apart} {left}"
    )


def _again(scene: Scene, code: int) -> int:
    return scene.run(scene.go_on()) if code else 0


def kills(place: Path, seed: int, many: int, objectives: int | None = None) -> list[Tally]:
    """SIGKILL so many times, over every objective in turn."""
    return _many("SIGKILL, then go on: same bits", (signal.SIGKILL,), place, seed, many, objectives)


def stops(place: Path, seed: int, many: int, objectives: int | None = None) -> list[Tally]:
    """SIGINT, SIGTERM and SIGHUP by turns."""
    name = "SIGINT, SIGTERM, SIGHUP: 130, then go on"
    return _many(name, STOPS, place, seed, many, objectives)


def _many(
    name: str, told: tuple[int, ...], place: Path, seed: int, many: int, objectives: int | None
) -> list[Tally]:
    rng, tally, phases = random.Random(seed), Tally(name), Tally("  how far these had come")
    runs = list(wholes(place, min(many, objectives or many)))
    for number in range(many):
        attempt(runs[number % len(runs)], rng, told[number % len(told)], tally, phases)
    return [tally, phases]
