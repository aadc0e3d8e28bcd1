"""What a run ran on: versions, hardware, command line, git commit."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch

_PACKAGES = (
    "torch",
    "torchvision",
    "lightning-fabric",
    "gin-config",
    "timm",
    "pytorch-metric-learning",
    "pytorch-optimizer",
    "lightly",
    "scikit-learn",
    "numpy",
    "scipy",
    "pandas",
)


def environment(
    command: Sequence[str], seed: int, plugin_folders: Sequence[str | Path] = ()
) -> dict[str, Any]:
    """The facts of environment.json; memory in bytes, time in UTC."""
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": list(command),
        "working_directory": str(Path.cwd()),
        "seed": seed,
        "plugin_folders": [str(folder) for folder in plugin_folders],
        "git": git_state(Path(__file__).parent),
        "versions": {"python": platform.python_version()} | _versions(),
        "hardware": _hardware(),
        "threads": torch.get_num_threads(),
        "float32_matmul": torch.get_float32_matmul_precision(),
        "platform": platform.platform(),
        "executable": sys.executable,
    }


def git_state(folder: Path) -> dict[str, Any]:
    """The commit that `folder` is at and whether tracked or new files differ from it.

    Both are None where there is no git or no repository.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    status = None if commit is None else _git(folder, "status", "--porcelain")
    return {"commit": commit, "dirty": None if status is None else status != ""}


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _versions() -> dict[str, str | None]:
    found = {package: _version(package) for package in _PACKAGES}
    found["torch"] = str(torch.__version__)  # names the build, too
    found["cuda"] = torch.version.cuda
    return found


def _version(package: str) -> str | None:
    """Of an installed package, without parsing its long description, as `metadata.version` does."""
    try:
        told = distribution(package).read_text("METADATA") or ""
    except PackageNotFoundError:
        return None
    line = re.search(r"^Version: *(\S+)", told, re.MULTILINE)
    return None if line is None else line[1]


def _hardware() -> dict[str, Any]:
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "cpu": cpu_model(Path("/proc/cpuinfo")),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory": _memory(),
        "gpus": gpus,
    }


def cpu_model(cpuinfo: Path) -> str:
    """The processor's name as Linux reports it, else what the platform says."""
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> int | None:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
