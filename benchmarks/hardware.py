"""What a timing was taken on, in one line, and timings of two sides in turn."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch


def machine() -> str:
    """Processor, how many of its cores this process may use, card where there is one, torch."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    busy = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    card = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return (
        f"{_processor()}, {cores} core(s){busy}{card}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} thread(s)"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def now() -> float:
    """Seconds by the clock; with one thread the processor's time, whatever else that does."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes, see `now`."""
    started = now()
    work()
    return now() - started


def in_turn(sides: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """rounds x sides: each round runs every side once, so that a noisy machine hits all."""
    return [[side() for side in sides] for _ in range(rounds)]


def report(name: str, ratios: Sequence[float], least: float) -> None:
    """One row: median and spread of a ratio, and what it is to be at least."""
    print(
        f"{name}: ratio {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f} "
        f"over {len(ratios)} rounds (at least {least:g}) on {machine()}"
    )
