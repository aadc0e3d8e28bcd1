"""The modules that a .gin imports by name, found beside it; nothing else in its folder is.

A config's folder never goes on sys.path: a file there that is called like something installed, or
like something optional that a library looks for, would be executed. What a plug-in itself imports
is looked for beside it, too, by the names in its source.
"""

import ast
import json
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from fewshot.binding.locating import shown
from fewshot.errors import UserError


class PlugInFinder:
    """Python's last resort for a module: those of config folders that were allowed by name."""

    def __init__(self) -> None:
        self._folders: dict[str, Path] = {}

    def allow(self, module: str, folders: Sequence[Path]) -> None:
        """Let this module be found in the first folder that has it, and what it imports there."""
        name = module.partition(".")[0]
        if self not in sys.meta_path:
            sys.meta_path.append(self)
        for folder in folders:
            if name not in self._folders and (sources := list(_sources(folder, name))):
                self._folders[name] = folder
                for imported in {found for source in sources for found in _imports(source)}:
                    self.allow(imported, [folder])

    def forget(self) -> None:
        """Allow nothing any longer, as a new configuration is read."""
        self._folders.clear()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where the module is; None for one that was not allowed (part of Python's protocol)."""
        folder = self._folders.get(name) if path is None else None
        return PathFinder.find_spec(name, [str(folder)], target) if folder else None


FINDER = PlugInFinder()


def _sources(folder: Path, name: str) -> Iterator[Path]:
    """The files of a module, or of a package and all in it."""
    if (folder / f"{name}.py").is_file():
        yield folder / f"{name}.py"
    elif (folder / name).is_dir():
        yield from (folder / name).rglob("*.py")


def _imports(source: Path) -> Iterator[str]:
    """Names of the modules that a file imports; none where it is no Python, as importing tells."""
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def recorded_folders(folder: Path) -> list[Path]:
    """Those that an experiment folder keeps, so that its config.gin finds its plug-ins again."""
    path = folder / "environment.json"
    if not path.is_file():
        return []
    try:
        recorded = json.loads(path.read_text(encoding="utf-8")).get("plugin_folders", [])
        return [Path(plugins) for plugins in recorded]
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise UserError(
            f"{shown(path)} is damaged: it should hold a JSON object with the list "
            "'plugin_folders'. Remove it if the config imports no plug-in."
        ) from None
