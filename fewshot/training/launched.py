"""Processes that torchrun has started: how many, and how they meet."""

import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from fewshot.errors import UserError
from fewshot.sharing import PATIENCE
from fewshot.training.parting import parting

_NEEDED = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_MEETING = timedelta(minutes=2)  # to wait for the others at the start
_HEARING = timedelta(seconds=10)  # to wait until they have read why they are refused


class NotMetError(UserError):
    """The others are refused, or do not come: they need not hear of it from this process."""


@dataclass(frozen=True)
class Launch:
    """How many processes were started, on this machine and over how many."""

    devices: int
    nodes: int


def launch_of(environment: Mapping[str, str]) -> Launch | None:
    """What the environment says; None where this process was started alone.

    Raises UserError where it says that there are others, but not where they meet.
    """
    ranks = environment.get("WORLD_SIZE", "1")
    if "RANK" not in environment or ranks == "1":
        return None
    missing = [name for name in _NEEDED if not environment.get(name)]
    counts = [environment.get(name, "") for name in _NEEDED[:4]]
    if missing or not all(count.isdigit() for count in counts):
        found = f"{', '.join(missing)} not set" if missing else f"{_NEEDED[:4]} = {counts}"
        raise UserError(
            f"the environment speaks of {ranks} processes (WORLD_SIZE), but {found}: start them "
            "with torchrun --nproc_per_node=N experiment.py ..., or unset RANK and WORLD_SIZE."
        )
    local = int(environment["LOCAL_WORLD_SIZE"])
    nodes, rest = divmod(int(ranks), local)
    if rest or nodes < 1:
        raise UserError(
            f"WORLD_SIZE is {ranks}, no multiple of this machine's {local} (LOCAL_WORLD_SIZE): "
            "start as many processes on every machine."
        )
    return Launch(local, nodes)


@contextmanager
def met(device_type: str) -> Iterator[tuple[int, int]]:
    """(rank, ranks) of this process among those that torchrun started, which can exchange objects
    inside; (0, 1) where it was started alone.
    """
    if launch_of(os.environ) is None:
        yield 0, 1
        return
    with parting():
        meet(device_type, backend="gloo")
        yield dist.get_rank(), dist.get_world_size()


def meet(device_type: str, within: timedelta = _MEETING, backend: str | None = None) -> None:
    """Join the other processes; raises UserError where they do not come in time, and what one of
    them is refused for.

    backend: that they exchange by; None: nccl for tensors of GPUs, else gloo.
    """
    os.environ.setdefault("TORCHELASTIC_RUN_ID", "none")  # Fabric looks for it
    if dist.is_initialized():
        return
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    try:
        store = _store(rank, ranks, within)
        refusal = _refusal(store, rank, ranks, within)
        if refusal:
            raise NotMetError(refusal)
        if device_type == "cuda":
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group(
            backend or ("nccl" if device_type == "cuda" else "gloo"),
            store=store,
            rank=rank,
            world_size=ranks,
            timeout=PATIENCE,
        )
    except (RuntimeError, ValueError) as error:
        place = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise NotMetError(
            f"process {rank} of {ranks} could not meet the others at {place} (MASTER_ADDR, "
            f"MASTER_PORT) within {within.total_seconds():.0f} s: start all, with torchrun, and "
            f"see that this address can be reached. {str(error).splitlines()[0][:200]}"
        ) from error


def tell_refusal(refusal: str, within: timedelta = _MEETING) -> str | None:
    """Have those that come to meet this process refused, too; what all of them say.

    None where there are no others. Raises RuntimeError where they do not come.
    """
    if launch_of(os.environ) is None:
        return None
    rank, ranks = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return _refusal(_store(rank, ranks, within), rank, ranks, within, refusal)


def _store(rank: int, ranks: int, within: timedelta) -> Store:
    """What the processes of this start write to before they have met."""
    found = rendezvous("env://", rank=rank, world_size=ranks, timeout=within)
    store, _, _ = next(iter(found))
    return store_of_this_start(store, rank, ranks, within)


def _refusal(store: Store, rank: int, ranks: int, within: timedelta, own: str = "") -> str:
    """What the first of the processes that are refused is refused for; "" where none is."""
    store.set(f"refusal/{rank}", own)
    everywhere = [f"refusal/{other}" for other in range(ranks)]
    store.wait(everywhere, within)
    refusal = next((told for key in everywhere if (told := store.get(key).decode())), "")
    if refusal:
        store.set(f"heard/{rank}", "yes")
        if rank == 0:  # with which the store may end
            with suppress(RuntimeError):  # one that has not heard by then has ended
                store.wait([f"heard/{other}" for other in range(ranks)], _HEARING)
    return refusal


def store_of_this_start(store: Store, rank: int, ranks: int, within: timedelta) -> Store:
    """The store under a name that only the processes of this start know.

    rank, ranks: of this process, and how many. Raises RuntimeError where others do not come.

    torchrun's store outlives its restarts, and with it the addresses of processes that have ended
    (and the count of restarts differs between machines): whoever comes first would call those.
    Each process says its own name, the first answers every name that it has not seen with a name
    for all of them, and is done when all have read that one.
    """
    ends = time.monotonic() + within.total_seconds()
    name = uuid.uuid4().hex
    if rank:
        store.set(f"hello/{rank}", name)
        store.wait([f"answer/{name}"], within)
        name, own = store.get(f"answer/{name}").decode(), name
        store.set(f"read/{name}/{rank}", own)
        return PrefixStore(name, store)
    missing = dict.fromkeys(range(1, ranks), "")
    while missing:
        for other, answered in list(missing.items()):
            if store.check([f"read/{name}/{other}"]):
                del missing[other]
            elif store.check([f"hello/{other}"]):
                hello = store.get(f"hello/{other}").decode()
                if hello != answered:
                    store.set(f"answer/{hello}", name)
                    missing[other] = hello
        if missing and time.monotonic() > ends:
            raise RuntimeError(f"no word from process {', '.join(map(str, missing))}")
        time.sleep(0.02 if missing else 0)
    return PrefixStore(name, store)
