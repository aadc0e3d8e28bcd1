"""The pictures in a folder and all below it: each file seen is taken, or counted with a reason."""

import functools
import itertools
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fewshot.data.images.photo import SUFFIXES, is_photo
from fewshot.progress import ProgressBar

# What systems and programs leave in folders; all else that is hidden begins with a dot.
LEFTOVERS = frozenset(
    ("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin")
)
HIDDEN, NO_PICTURE, BAD_NAME = "hidden", "no picture", "name is no UTF-8 or not one line"
DEAD_LINK, LOOP, TWICE = "link to nothing", "linked folder holds itself", "linked folder seen twice"
TWIN = "link to a picture that is read elsewhere"
CLOSED = "folder cannot be listed"


@dataclass
class Walk:
    """files: the pictures, sorted by path; left_out: how often for which reason.

    linked: folders that were reached through a link, and followed; links: those of the pictures
    that are links themselves.
    """

    files: list[Path] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    linked: list[Path] = field(default_factory=list)
    links: set[Path] = field(default_factory=set)

    def add(self, other: "Walk") -> None:
        """Take another walk's findings in."""
        self.files += other.files
        self.left_out += other.left_out
        self.linked += other.linked
        self.links |= other.links

    def drop_twins(self) -> None:
        """Leave out, and count, each link to a picture that is among the files under another name.

        Of several links to one picture elsewhere, the first by path stays.
        """
        if not self.links:
            return
        real_parent = functools.lru_cache(maxsize=4096)(os.path.realpath)
        plain = (path for path in self.files if path not in self.links)
        there = {f"{real_parent(path.parent)}/{path.name}" for path in plain}
        kept = []
        for path in self.files:
            real = os.path.realpath(path) if path in self.links else None
            if real in there:
                self.left_out[TWIN] += 1
                continue
            there |= {real} if real is not None else set()
            kept.append(path)
        self.files = kept

    def summary(self, note: str = "") -> str:
        """In words: `24 pictures, 3 left out: 2 hidden, 1 no picture`; note: of the pictures."""
        text = f"{len(self.files)} pictures{note}"
        if self.left_out:
            reasons = [f"{count} {why}" for why, count in sorted(self.left_out.items())]
            text += f", {self.left_out.total()} left out: {', '.join(reasons)}"
        return text


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is no data, such as .ipynb_checkpoints or Thumbs.db."""
    return name.startswith(".") or name.lower() in LEFTOVERS


def is_sound(name: str) -> bool:
    """Whether a name can stand in a CSV: UTF-8, and one line."""
    return name.isprintable() or not (
        any("\ud800" <= letter <= "\udfff" for letter in name) or len(name.splitlines()) > 1
    )


def walk_pictures(
    folder: Path, within: Path | None = None, deep: bool = True, seen: set[str] | None = None
) -> Walk:
    """The pictures of a folder and, if `deep`, of all below it.

    A picture has a suffix that photos have, or none at all and a picture's content. Linked folders
    are followed, each once, but for those that lie in `within` (default: the folder itself), which
    are met there. seen: real paths of the folders that walks before this one took, each of which is
    taken once; this one's are added. Nothing is raised for what cannot be read: it is counted.
    """
    walk, root = Walk(), os.path.realpath(within or folder)
    seen = set() if seen is None else seen
    waiting = [(folder, os.path.realpath(folder))]
    if waiting[0][1] in seen:
        return Walk(left_out=Counter({TWICE: 1}))
    seen.add(waiting[0][1])
    with ProgressBar(f"looking through {folder}", None, "files") as bar:
        while waiting:
            place, place_real = waiting.pop()
            entries = _listed(place, walk)
            for entry in entries:
                if is_hidden(entry.name):
                    walk.left_out[HIDDEN] += 1
                elif not is_sound(entry.name):
                    walk.left_out[BAD_NAME] += 1
                elif _kind(entry) == "folder":
                    below = os.path.realpath(entry.path)
                    if deep and _is_new(entry, below, place_real, root, seen, walk):
                        waiting.append((Path(entry.path), below))
                else:
                    _take(entry, walk)
            bar.update(len(entries))
    walk.files.sort()
    return walk


def subfolders(folder: Path) -> tuple[list[Path], Counter[str]]:
    """(the folders in a folder, sorted, and how many were left out for which reason)."""
    walk, found = Walk(), []
    for entry in _listed(folder, walk):
        if _kind(entry) != "folder":
            continue
        if is_hidden(entry.name) or not is_sound(entry.name):
            walk.left_out[HIDDEN if is_hidden(entry.name) else BAD_NAME] += 1
        else:
            found.append(Path(entry.path))
    return sorted(found), walk.left_out


def overlapping(folders: Sequence[Path]) -> tuple[Path, Path] | None:
    """Two of the folders of which one is, or holds, the other once links are followed."""
    real = sorted((f"{os.path.realpath(folder)}/", folder) for folder in folders)
    for (outer, first), (inner, second) in itertools.pairwise(real):
        if inner.startswith(outer):
            return first, second
    return None


def _listed(folder: Path, walk: Walk) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        walk.left_out[CLOSED] += 1
        return []


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "other"
    except OSError:  # a link that loops
        return "other"


def _is_new(
    entry: os.DirEntry[str], real: str, parent: str, root: str, seen: set[str], walk: Walk
) -> bool:
    """Whether a folder is to be walked; one that is walked otherwise is counted."""
    linked = entry.is_symlink()
    if linked and f"{parent}/".startswith(f"{real.rstrip('/')}/"):
        walk.left_out[LOOP] += 1
    elif real in seen or (linked and f"{real}/".startswith(f"{root}/")):
        walk.left_out[TWICE] += 1
    else:
        seen.add(real)
        walk.linked += [Path(entry.path)] if linked else []
        return True
    return False


def _take(entry: os.DirEntry[str], walk: Walk) -> None:
    """Add a file to those of the walk, or count it."""
    reason = _refusal(entry)
    if reason is not None:
        walk.left_out[reason] += 1
        return
    walk.files.append(Path(entry.path))
    if entry.is_symlink():
        walk.links.add(walk.files[-1])


def _refusal(entry: os.DirEntry[str]) -> str | None:
    if _kind(entry) == "other":
        return DEAD_LINK if entry.is_symlink() else NO_PICTURE
    suffix = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122
    if suffix in SUFFIXES or (not suffix and is_photo(Path(entry.path))):
        return None
    return NO_PICTURE
