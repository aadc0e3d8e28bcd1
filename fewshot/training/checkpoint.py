"""last.ckpt on disk: written whole, read without executing anything in it, refused when stale."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically

VERSION = 1


def save_checkpoint(path: Path, contents: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Write plain values and tensors, with the digests of the data they were trained on."""
    stored = {"version": VERSION, "digests": dict(digests), "contents": dict(contents)}

    def write(part: Path) -> None:
        # a file of Python's own raises OSError when the disk is full, torch's a RuntimeError
        with part.open("wb") as file:
            torch.save(stored, file)

    write_atomically(path, write)


def load_checkpoint(path: Path, digests: Mapping[str, str]) -> dict[str, Any]:
    """What was saved, on the CPU.

    digests: of the data at hand, by the name a user knows them under. Raises UserError for a file
    that is damaged, from a newer version, or whose data have changed since.
    """
    stored = _read(path)
    if stored["version"] > VERSION:
        raise UserError(
            f"{path} has checkpoint version {stored['version']}, newer than this program's "
            f"{VERSION}: resume with the program that wrote it."
        )
    for name in sorted(stored["digests"].keys() | digests.keys()):
        then, now = stored["digests"].get(name, "none"), digests.get(name, "none")
        if then != now:
            raise UserError(
                f"the {name} has changed since {path} was written (digest {then[:12]} then, "
                f"{now[:12]} now): restore it, or start a new experiment."
            )
    contents: dict[str, Any] = stored["contents"]
    return contents


def _read(path: Path) -> dict[str, Any]:
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise _damaged(path) from error
    if not isinstance(stored, dict) or not {"version", "digests", "contents"} <= stored.keys():
        raise _damaged(path)
    return stored


def _damaged(path: Path) -> UserError:
    return UserError(
        f"{path} is damaged or not a checkpoint: remove it and resume again, which starts the "
        "training over."
    )
