"""Runs, one after the other in one process: python -m tests.distributed.runs LIST (of argv's).

Without pictures and reports, which take longer than twenty steps, and which one process writes.
What the weights were before the first step is kept as initial.pt.
"""

import json
import sys
from pathlib import Path

import torch

import experiment
import fewshot.main
from fewshot.training.trainer import Summary, TrainingRun


def train(run: TrainingRun, trained=TrainingRun.train) -> Summary:
    """Train, and keep what was there before."""
    if run.folder.writes:
        torch.save(run.fit.objective.state_dict(), run.folder.path / "initial.pt")
    return trained(run)


if __name__ == "__main__":
    torch.set_num_threads(1)
    TrainingRun.train = train
    for part in ("write_pictures", "log_pictures", "present"):
        assert hasattr(fewshot.main, part), part
        setattr(fewshot.main, part, lambda *_: None)
    for argv in json.loads(Path(sys.argv[1]).read_text()):
        code = experiment.run(argv)
        if code:
            sys.exit(code)
