"""Whether a path that a file or a link names stays under the folder it belongs to."""

import functools
import os
from pathlib import Path


class Roots:
    """Folders, and what lies in them once links and `..` are followed.

    The first is what relative paths start at; all are taken by their real paths, so that a root may
    itself be a link.
    """

    def __init__(self, *folders: Path) -> None:
        self.folders = folders
        self._real = [os.path.realpath(folder) for folder in folders]
        self._real_parent = functools.lru_cache(maxsize=4096)(os.path.realpath)

    def path(self, relative: str) -> Path | None:
        """The path under the first folder; None where it leaves them all.

        The file need not exist. Links inside the path are followed, of the file itself too.
        """
        if "\0" in relative:
            return None
        joined = os.path.join(self.folders[0], relative)  # noqa: PTH118 (300,000 Paths are slow)
        path = Path(joined)
        return path if self.holds(path) else None

    def holds(self, path: Path) -> bool:
        """Whether the file's real path lies under a root."""
        parent, name = os.path.split(path)
        if name in ("", ".."):
            return False
        real = os.path.join(self._real_parent(parent), name)  # noqa: PTH118
        if os.path.islink(real):  # noqa: PTH114
            real = os.path.realpath(real)
        return any(real.startswith(root.rstrip(os.sep) + os.sep) for root in self._real)
