"""A root_dir that an importer makes: whole or not at all, with a note of what it was made of."""

import glob
import json
import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fewshot.containment import Roots
from fewshot.data.images.vouching import (
    IMPORT_NOTE,
    folders_of,
    imported_folders,
    noted,
    vouch,
)
from fewshot.data.tables.table import read_rows, write_text
from fewshot.errors import UserError

logger = logging.getLogger("fewshot")

ABANDONED = 3600  # seconds after which a draft of a killed import is taken for one


@dataclass(frozen=True)
class ImportNote:
    """What an import was made by and of: noted in import.json, and compared when it is run again.

    source: what is read (None where it does not matter); options: names and values.
    """

    importer: str
    source: Path | None
    options: Mapping[str, object]

    def facts(self) -> dict[str, object]:
        """As they are stored."""
        source = None if self.source is None else str(self.source)
        return {"importer": self.importer, "source": source, "options": dict(self.options)}


def make_root(
    root_dir: str | Path, note: ImportNote, write: Callable[[Path], Sequence[Path] | None]
) -> None:
    """Let `write` fill a temporary folder, then rename it to root_dir; nothing if that is done.

    write: may return the folders that the list it wrote leads to. Raises UserError when root_dir
    holds other things, or an import of another kind, source or options, or cannot be made.
    """
    root = Path(root_dir).expanduser().resolve()
    if _is_done(root, note):
        logger.info("%s holds the %s data already", root, note.importer)
        _vouch_again(root, note)
        return
    logger.info("importing %s into %s", note.importer, root)
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(root)
        draft = Path(tempfile.mkdtemp(prefix=f".{root.name}.", suffix=".partial", dir=root.parent))
    except OSError as error:
        raise UserError(
            f"cannot make {root}: {error.strerror}. Choose a root_dir in a writable place."
        ) from error
    folders: Sequence[Path] = ()
    try:
        draft.chmod(0o755)  # mkdtemp makes it private
        folders = write(draft) or ()
        write_text(noted(note.facts(), folders), draft / IMPORT_NOTE)
        draft.rename(root)
    except OSError as error:
        # Another process may have finished the same import first.
        if not _is_done(root, note):
            raise UserError(f"cannot write {root}: {error.strerror or error}.") from error
        folders = ()  # it vouches for its own
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if folders:
        vouch(root)


def _vouch_again(root: Path, note: ImportNote) -> None:
    """Take an import for one of here, whose pictures lie in the source that was given again."""
    listed = root / "images.csv"
    if note.source is None or not listed.is_file() or imported_folders(root) is not None:
        return
    paths = [root / path for path in read_rows(listed, ("path",))["path"]]
    if all(map(Roots(root).holds, paths)):
        return
    write_text(noted(note.facts(), folders_of(paths, note.source)), root / IMPORT_NOTE)
    vouch(root)


def _remove_abandoned(root: Path) -> None:
    """Delete what killed imports into this root left; a draft that still grows is another's."""
    for draft in root.parent.glob(f".{glob.escape(root.name)}.*.partial"):
        times = [path.stat().st_mtime for path in (draft, *draft.iterdir())]
        if time.time() - max(times) > ABANDONED:
            shutil.rmtree(draft, ignore_errors=True)


def _is_done(root: Path, note: ImportNote) -> bool:
    """Whether the same import is there; False where root_dir is free for it."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    facts = note.facts()
    try:
        found = json.loads((root / IMPORT_NOTE).read_text("utf-8"))
        known = {name: found.get(name) for name in facts}
    except (OSError, ValueError, AttributeError, RecursionError):
        names = sorted(path.name for path in root.iterdir())[:3] if root.is_dir() else ["a file"]
        raise UserError(
            f"{root} is not empty (it holds {', '.join(names)}), so {note.importer} does not "
            f"write there: give a new or empty folder as root_dir."
        ) from None
    if (known["importer"], known["source"]) != (facts["importer"], facts["source"]):
        raise UserError(
            f"{root} holds {known['importer']} data from {known['source']}, not "
            f"{facts['importer']} data from {facts['source']}: give another root_dir."
        )
    if known["options"] not in (None, facts["options"]):  # None: an older version's note
        raise UserError(
            f"{root} holds {note.importer} data imported with {_words(known['options'])}, not with "
            f"{_words(facts['options'])}: give another root_dir, or remove the folder."
        )
    return True


def _words(options: object) -> str:
    pairs = options.items() if isinstance(options, dict) else [("options", options)]
    return ", ".join(f"{name}={value!r}" for name, value in pairs)
