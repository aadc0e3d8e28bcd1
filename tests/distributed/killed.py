"""How long one process of a run goes on when the other gets SIGKILL.

    python -m tests.distributed.killed

Two processes train the little shop, started without torchrun, which would end the other itself;
each is killed once. Prints a line each; 1 where the other has not ended within a minute, or with
another code than 2.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.conftest import make_shop
from tests.distributed.meeting import as_rank, two_meet
from tests.distributed.shop import TRAINED

ROOT = Path(__file__).parents[2]
LIMIT = 60  # seconds
SLOW = ["main.evaluators = [@KNNClassification]", "main.num_epochs = 100000"]


def started(place: Path, bindings: list[str]) -> list["subprocess.Popen[bytes]"]:
    """Two processes of one run, which meet at a port."""
    meeting = two_meet() | {"OMP_NUM_THREADS": "1"}
    words = [sys.executable, "experiment.py", "-c", "configs/transfer.gin", "--name", place.name]
    words += ["--output-dir", str(place.parent)]
    words += [word for line in bindings for word in ("-p", line)]
    logs = [place.with_suffix(f".{rank}").open("wb") for rank in "01"]
    return [
        subprocess.Popen(
            words,
            cwd=ROOT,
            env=os.environ | meeting | as_rank(str(rank)),
            stdout=log,
            stderr=log,
        )
        for rank, log in enumerate(logs)
    ]


def seconds_after(killed: int, place: Path, bindings: list[str]) -> tuple[float, int | None]:
    """From the kill to the other's end, and its exit code (None: not within the limit)."""
    going = started(place, bindings)
    try:
        while not (place / "last.ckpt").exists():
            if any(process.poll() is not None for process in going):
                raise SystemExit(place.with_suffix(".0").read_text()[-2000:])
            time.sleep(0.1)
        time.sleep(1)
        going[killed].send_signal(signal.SIGKILL)
        since = time.monotonic()
        try:
            code = going[1 - killed].wait(LIMIT)
        except subprocess.TimeoutExpired:
            code = None
        return time.monotonic() - since, code
    finally:
        for process in going:
            process.kill()
            process.wait()


def main() -> int:
    """See above."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # nothing is left behind
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        bindings = [*make_shop(Path(folder) / "shop").bindings(), *TRAINED, *SLOW]
        for killed in (1, 0):
            place = Path(folder) / f"killed{killed}"
            taken, code = seconds_after(killed, place, bindings)
            said = place.with_suffix(f".{1 - killed}").read_text().strip().splitlines()[-1:]
            print(f"process {killed} killed: the other ended after {taken:.1f} s with {code}")
            print(f"  {shlex.join(said)[:300]}", flush=True)
            wrong += code != 2
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
