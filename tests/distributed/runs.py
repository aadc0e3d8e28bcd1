"""Runs, one after the other in one process: python -m tests.distributed.runs LIST (of argv's)."""

import json
import sys
from pathlib import Path

import torch

import experiment

if __name__ == "__main__":
    torch.set_num_threads(1)
    for argv in json.loads(Path(sys.argv[1]).read_text()):
        code = experiment.run(argv)
        if code:
            sys.exit(code)
