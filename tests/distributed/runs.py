"""Runs, one after the other in one process: python -m tests.distributed.runs LIST (of argv's).

Without pictures and reports, which take longer than twenty steps, and which one process writes.
"""

import json
import sys
from pathlib import Path

import torch

import experiment
import fewshot.main

if __name__ == "__main__":
    torch.set_num_threads(1)
    for part in ("write_pictures", "log_pictures", "present"):
        assert hasattr(fewshot.main, part), part
        setattr(fewshot.main, part, lambda *_: None)
    for argv in json.loads(Path(sys.argv[1]).read_text()):
        code = experiment.run(argv)
        if code:
            sys.exit(code)
