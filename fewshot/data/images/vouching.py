"""Which imports were run here: a root_dir cannot say of itself what may be read outside of it.

An importer notes the folders that its images.csv leads to in import.json, with a token that nobody
can guess, and a digest of that file in the cache folder. A note that comes with a folder from
elsewhere has no such digest, and widens nothing.
"""

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from fewshot.containment import Roots
from fewshot.data.images.cache import cache_root
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically

logger = logging.getLogger("fewshot")

IMPORT_NOTE = "import.json"


def noted(facts: Mapping[str, object], folders: Iterable[Path]) -> str:
    """The text of a note to be vouched for: what was imported, and the folders it leads to."""
    told = {"folders": [str(folder) for folder in folders], "token": secrets.token_hex(16)}
    return json.dumps({**facts, **told}, indent=2) + "\n"


def vouch(root_dir: Path) -> None:
    """Note in the cache folder that root_dir was imported here; a warning where that fails."""
    try:
        record = _record((root_dir / IMPORT_NOTE).read_bytes())
        record.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(record, lambda part: part.write_text(f"{root_dir}\n", encoding="utf-8"))
    except (OSError, RuntimeError, UserError) as error:
        logger.warning(
            "%s cannot be noted as imported here (%s), so that pictures outside of it will not be "
            "read: set FEWSHOT_CACHE to a writable folder and run the import again",
            root_dir,
            error,
        )


def imported_folders(root_dir: Path) -> list[Path] | None:
    """The folders that the importer of root_dir noted; None where no import run here wrote that."""
    try:
        note = (root_dir / IMPORT_NOTE).read_bytes()
        if not _record(note).is_file():
            return None
        return [Path(folder) for folder in json.loads(note)["folders"]]
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None


def folders_of(paths: Iterable[Path], source: Path) -> list[Path]:
    """The folders that pictures of a source lie in: it, and those that links out of it lead to."""
    roots = Roots(source)
    inside = (path for path in paths if Path(os.path.normpath(path)).is_relative_to(source))
    return [source, *sorted({path.resolve().parent for path in inside if not roots.holds(path)})]


def _record(note: bytes) -> Path:
    return cache_root(None) / "imports" / hashlib.sha256(note).hexdigest()
