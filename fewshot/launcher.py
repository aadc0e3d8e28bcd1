"""What started this process: beside others, before, and since when."""

import os
from datetime import UTC, datetime
from pathlib import Path

_COUNTS = ("TORCHELASTIC_RESTART_COUNT", "SLURM_RESTART_COUNT")


def is_peer() -> bool:
    """Whether this process was started beside one that writes the files."""
    return any(os.environ.get(name, "0") != "0" for name in ("RANK", "LOCAL_RANK", "NODE_RANK"))


def is_restart() -> bool:
    """Whether torchrun (--max-restarts) or Slurm (requeue) has started the same command again."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in _COUNTS)


def launch_id() -> str | None:
    """torchrun's name (--rdzv_id) of the run whose processes it starts, also when it starts them
    anew, as it does uncounted when a machine comes or goes; None where it has no name.
    """
    name = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    return None if name in ("", "none") else name


def launch_time() -> datetime:
    """When torchrun was started, where it has started this process, so that all that it starts
    know one time, else now.
    """
    now = datetime.now(UTC)
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return now
    try:
        ticks = Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[19]
        lines = Path("/proc/stat").read_text().splitlines()
        booted = next(int(line.split()[1]) for line in lines if line.startswith("btime"))
    except (OSError, IndexError, StopIteration):
        return now
    return datetime.fromtimestamp(booted + float(ticks) / os.sysconf("SC_CLK_TCK"), UTC)
