"""Where config files and includes are looked for, and how their paths are shown."""

import os
from collections.abc import Iterable
from pathlib import Path

from fewshot.binding.suggestions import closest
from fewshot.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]


def shown(path: Path) -> str:
    """The path as a user would type it: relative where it lies below the working directory."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def find_config(name: str) -> Path:
    """The absolute path of a file given with -c: seen from here, else from the repository.

    Raises UserError where there is none.
    """
    return _find(name, [Path.cwd(), REPOSITORY], "")


def find_include(name: str, including: Path, place: str) -> Path:
    """The absolute path of an included file: beside the including file, else in the repository.

    Raises UserError, with the include's place, where there is none.
    """
    return _find(name, [including.parent, REPOSITORY], f"{place}: ")


def _find(name: str, folders: list[Path], prefix: str) -> Path:
    for folder in folders:
        path = Path(os.path.normpath(folder / Path(name).expanduser()))
        if path.is_file():
            return path
        if path.is_dir():
            raise UserError(f"{prefix}{name} is a folder: name one of the .gin files in it.")
    searched = " or ".join(dict.fromkeys(str(folder) for folder in folders))
    looked = "" if Path(name).is_absolute() else f" in {searched}"
    by_stem: dict[str, list[str]] = {}
    for known in _names_near(name, folders):
        by_stem.setdefault(Path(known).stem, []).append(known)
    near = [known for stem in closest(Path(name).stem, by_stem) for known in by_stem[stem]]
    # of one name that in the folder asked for comes first, then what lies least deep
    asked = Path(name).expanduser().parent
    near.sort(key=lambda known: (Path(known).parent != asked, len(Path(known).parts)))
    hint = f" Did you mean {' or '.join(near[:3])}?" if near else ""
    raise UserError(f"{prefix}there is no config file '{name}'{looked}.{hint}")


def _names_near(name: str, folders: Iterable[Path]) -> list[str]:
    """Names to suggest: the .gin files of the folder that was named, and of configs/."""
    beside = Path(name).expanduser().parent
    files = [
        str(beside / file.name) for folder in folders for file in (folder / beside).glob("*.gin")
    ]
    ours = (REPOSITORY / "configs").rglob("*.gin")
    return sorted({*files, *(str(file.relative_to(REPOSITORY)) for file in ours)})


def read_text(path: Path) -> str:
    """The file's text; raises UserError where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{shown(path)} cannot be read as text: {error}.") from None
