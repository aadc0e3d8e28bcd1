"""Runs, one after the other: alone and by two processes, all forks of one that has imported.

    python -m tests.distributed.runs ALONE TOGETHER   (JSON lists of argv's)

Without pictures and reports, which take longer than twenty steps, and which one process writes.
What the weights were before the first step is kept as initial.pt.
"""

import functools
import importlib
import json
import os
import socket
import sys
from pathlib import Path

import torch

import experiment
import fewshot.main
from fewshot.training.trainer import Summary, TrainingRun
from tests.faults import child
from tests.faults.scenes import keep_warm

# what objectives and losses import when they are made: seconds, in each of three processes
WARM = (
    "lightly.loss",
    "lightly.models.modules",
    "pytorch_metric_learning.losses",
    "pytorch_metric_learning.miners",
)


def train(run: TrainingRun, trained=TrainingRun.train) -> Summary:
    """Train, and keep what was there before."""
    if run.folder.writes:
        torch.save(run.fit.objective.state_dict(), run.folder.path / "initial.pt")
    return trained(run)


def make(listed: Path, **environment: str) -> int:
    """The runs of the list, as a process of that environment; the first exit code that is not 0."""
    os.environ.update(environment)
    for argv in json.loads(listed.read_text()):
        code = experiment.run(argv)
        if code:
            return code
    return 0


def main(alone: Path, together: Path) -> int:
    """See above."""
    keep_warm()
    for name in WARM:
        importlib.import_module(name)
    torch.set_num_threads(1)
    TrainingRun.train = train
    for part in ("write_pictures", "log_pictures", "present"):
        assert hasattr(fewshot.main, part), part
        setattr(fewshot.main, part, lambda *_: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    works = {alone.with_suffix(".log"): functools.partial(make, alone)}
    for rank in "01":
        work = functools.partial(make, together, RANK=rank, LOCAL_RANK=rank, **shared)
        works[together.with_suffix(f".{rank}.log")] = work
    going = [(child.start(work, log), log) for log, work in works.items()]
    failed = [log for process, log in going if child.wait(process) != 0]
    for log in failed:
        print(log, log.read_text()[-3000:], sep="\n", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
