"""What one run is asked to do: config files and -p become gin bindings and one request."""

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gin

from fewshot.binding import provenance, registry
from fewshot.binding.flattening import flat_text
from fewshot.binding.parsing import Loader
from fewshot.binding.paths import make_paths_absolute
from fewshot.binding.plugins import FINDER
from fewshot.binding.provenance import Key
from fewshot.binding.registrations import register
from fewshot.binding.suggestions import did_you_mean
from fewshot.binding.values import check_values
from fewshot.errors import UserError
from fewshot.launcher import is_restart, launch_id, launch_time

_LONGEST_NAME = 200  # bytes; file systems take 255, and files that are being written need some more


@dataclass(frozen=True)
class LoadedConfig:
    """text: everything bound, loadable again; plugin_folders: where its imports are found."""

    text: str
    plugin_folders: list[str]
    config_files: list[Path]


@dataclass(frozen=True)
class RunRequest:
    """What the command line asks of `main`; everything else is bound in gin.

    resume: the folder to go on with, or None; config_text: what config.gin is to hold.
    """

    name: str
    output_dir: Path
    resume: Path | None
    dry_run: bool
    config_text: str
    command: list[str]
    plugin_folders: list[str]
    config_files: list[Path]

    @property
    def folder(self) -> Path:
        """The experiment folder."""
        return self.output_dir / self.name


def load(config_files: Sequence[str], bindings: Sequence[str]) -> LoadedConfig:
    """Bind what files and bindings say, later over earlier, and import what they name.

    Raises UserError for any mistake in them, naming file and line or the binding.
    """
    gin.clear_config()
    provenance.begin()
    FINDER.forget()
    loader = Loader()
    files = [loader.read_file(name) for name in config_files]
    for binding in bindings:
        loader.read_binding(binding)
    loader.bind()
    check_values()
    make_paths_absolute()
    folders = [str(folder) for folder in loader.folders] if loader.imports else []
    return LoadedConfig(flat_text(loader.imports), folders, files)


def names_bound_in(config_file: str) -> set[str]:
    """What a file, with its includes, binds parameters of; raises UserError as `load` does."""
    gin.clear_config()
    FINDER.forget()
    loader = Loader()
    loader.read_file(config_file)
    return {registry.short(full) for _, full, _ in loader.bound}


def where_bound(key: Key, config_files: Sequence[str], bindings: Sequence[str]) -> str:
    """The last place that binds a parameter, by whichever of its names; '' where none does.

    What cannot be read is passed over, for whoever loads it to tell.
    """
    gin.clear_config()
    FINDER.forget()
    loader = Loader()
    for name in config_files:
        with contextlib.suppress(UserError):
            loader.read_file(name)
    for binding in bindings:
        with contextlib.suppress(UserError):
            loader.read_binding(binding)
    return loader.bound.get(key, "")


def new_run(
    config_files: Sequence[str],
    bindings: Sequence[str],
    name: str | None,
    output_dir: str,
    dry_run: bool,
) -> RunRequest:
    """The request for a new experiment; its name defaults to <first config's stem>-<UTC time>.

    Where a launcher starts the same command again, it goes on in the folder that it began.
    """
    if name is None:
        # no file's name has over 255 bytes, and a stem may have four for each of its characters
        name = f"{Path(config_files[0]).stem[:50]}-{launch_time():%Y%m%d-%H%M%S}"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        raise UserError(
            f"--name has {len(os.fsencode(name))} bytes: give one of {_LONGEST_NAME} at most."
        )
    if name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise UserError(f"--name '{name}' is not a folder name: give one without separators.")
    loaded = load(config_files, bindings)
    parent = Path(output_dir).expanduser().absolute()
    again = is_restart() or _is_of_this_launch(parent / name)
    if again and (parent / name / "config.gin").is_file() and not dry_run:
        begun = resumed_run(str(parent / name), dry_run)
        if begun.config_text == loaded.text:
            return begun
        loaded = load(config_files, bindings)
    return RunRequest(
        name=name,
        output_dir=parent,
        resume=None,
        dry_run=dry_run,
        config_text=loaded.text,
        command=["python", *sys.argv],
        plugin_folders=loaded.plugin_folders,
        config_files=loaded.config_files,
    )


def _is_of_this_launch(folder: Path) -> bool:
    """Whether a run was begun there by the torchrun that has started this process."""
    path = folder / "environment.json"
    if launch_id() is None or not path.is_file():
        return False
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["launch"] == launch_id())
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def resumed_run(folder_name: str, dry_run: bool) -> RunRequest:
    """The request to go on with an experiment, its config taken from its own folder."""
    folder = Path(folder_name).expanduser().absolute()
    if not folder.is_dir():
        siblings = folder.parent.iterdir() if folder.parent.is_dir() else ()
        near = did_you_mean(folder.name, (path.name for path in siblings if path.is_dir()))
        raise UserError(f"--resume {folder_name}: there is no such folder.{near}")
    config = folder / "config.gin"
    if not config.is_file():
        raise UserError(
            f"--resume {folder_name}: the folder holds no config.gin: it is no experiment, or "
            "was stopped before it began. Start it anew with -c."
        )
    loaded = load([str(config)], [])
    return RunRequest(
        name=folder.name,
        output_dir=folder.parent,
        resume=folder,
        dry_run=dry_run,
        config_text=loaded.text,
        command=["python", *sys.argv],
        plugin_folders=loaded.plugin_folders,
        config_files=loaded.config_files,
    )


def is_bound(scope: str, name: str, parameter: str) -> bool:
    """Whether a parameter is bound in exactly this scope ('' for none), nothing inherited."""
    key = (scope, registry.resolve(name))
    return parameter in gin.config._CONFIG.get(key, {})


def bind(name: str, value: Any) -> None:
    """Bind `scope/Name.parameter` from Python, over whatever was bound before."""
    *scopes, selector = name.split("/")
    owner, _, parameter = selector.rpartition(".")
    full = registry.resolve(owner)
    registry.check_parameter(full, parameter)
    key = ("/".join(scopes), full, parameter)
    register(full)
    gin.bind_parameter(key, value)
    provenance.record(key, value, "the program")
