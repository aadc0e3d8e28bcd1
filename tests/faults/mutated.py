"""Inputs changed in every way: each case is read rightly or refused in words, and soon."""

import json
import random
import signal
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.faults import child
from tests.faults.tally import Tally

SLOW = 10  # seconds
_ROOM = 6 << 30  # bytes of memory that one kind's cases may take
Case = Callable[[random.Random], str]


class SlowError(BaseException):
    """A case went on for too long."""


class SilentError(Exception):
    """A case changed a figure without a word."""


def told_in_words(work: Callable[[], object]) -> str:
    """'read' or 'refused' of the work, as the command line would; any other error goes through."""
    from fewshot.console import exit_code

    def quiet() -> int:
        code = work()
        return code if isinstance(code, int) else 0

    return {0: "read", 2: "refused"}.get(exit_code(quiet), "odd exit code")


def mutated(
    kinds: Mapping[str, Callable[[Path], Case]], place: Path, seed: int, shares: Mapping[str, int]
) -> list[Tally]:
    """So many cases of each kind; kinds: {name: what makes its cases in a folder}."""
    found = []
    for name, make in kinds.items():
        folder = place / name.replace(" ", "-").replace("/", "-")
        folder.mkdir(parents=True)
        tally = Tally(name)
        _all_cases(make, folder, f"{seed} {name}", shares[name], tally)
        found.append(tally)
    return found


def _all_cases(
    make: Callable[[Path], Case], folder: Path, seed: str, many: int, tally: Tally
) -> None:
    """In children, each of which goes on behind the case that the one before died of."""
    notes, done = folder.with_name(f"{folder.name} notes"), 0
    while done < many:
        notes.write_text("")

        def work(start: int = done) -> int:
            return _cases(make, folder, seed, range(start, many), notes)

        code = child.outcome(work, folder.with_name(f"{folder.name} log"), seconds=many + 60)
        lines = [json.loads(line) for line in notes.read_text().splitlines()]
        for outcome, told in lines:
            tally.add(outcome, told)
        done += len(lines)
        if done < many:
            log = folder.with_name(f"{folder.name} log").read_text()[-2000:]
            tally.add("crash", f"case {done} of seed {seed!r}: exit code {code}\n{log}")
            done += 1


def _cases(
    make: Callable[[Path], Case], folder: Path, seed: str, numbers: range, notes: Path
) -> int:
    """What a child does: one case after the other, each noted when it is done."""

    def too_slow(number: int, frame: object) -> None:
        raise SlowError

    signal.signal(signal.SIGALRM, too_slow)
    child.limit_memory(_ROOM)
    folder.mkdir(exist_ok=True)
    case = make(folder)
    with notes.open("a") as file:
        for number in numbers:
            file.write(json.dumps(_one(case, f"{seed} {number}")) + "\n")
            file.flush()
    return 0


def _one(case: Case, seed: str) -> tuple[str, str]:
    signal.setitimer(signal.ITIMER_REAL, SLOW)
    try:
        return case(random.Random(seed)), ""
    except SilentError as error:
        return "silent", f"{seed}: {error}"
    except SlowError:
        return "hang", f"{seed}\n{_short()}"
    except (Exception, KeyboardInterrupt):
        return "traceback", f"{seed}\n{_short()}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _short() -> str:
    return "".join(traceback.format_exc()[-700:])


def silent_unless(same: bool, what: str, *values: Any) -> None:
    """Raise SilentError unless what was read is what is right."""
    if not same:
        raise SilentError(f"{what}: {' / '.join(str(value)[:200] for value in values)}")
