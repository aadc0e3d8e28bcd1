"""Runs, one after the other: alone and by two processes, all forks of one that has imported.

    python -m tests.distributed.runs ALONE TOGETHER   (JSON lists of argv's)

Without pictures and reports, which take longer than twenty steps, and which one process writes.
What the weights were before the first step is kept as initial.pt.
"""

import functools
import importlib
import json
import os
import sys
from pathlib import Path

import torch

import experiment
from fewshot.training.launched import met
from fewshot.training.trainer import Summary, TrainingRun
from tests.conftest import leave_out_pictures
from tests.distributed.meeting import as_rank, two_meet
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
    with met("cpu"):  # else each run would meet anew, and part
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
    leave_out_pictures(setattr)
    shared = two_meet()
    works = {alone.with_suffix(".log"): functools.partial(make, alone)}
    for rank in "01":
        work = functools.partial(make, together, **shared, **as_rank(rank))
        works[together.with_suffix(f".{rank}.log")] = work
    going = [(child.start(work, log), log) for log, work in works.items()]
    failed = [log for process, log in going if child.wait(process) != 0]
    for log in failed:
        print(log, log.read_text()[-3000:], sep="\n", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
