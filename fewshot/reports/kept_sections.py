"""sections.json: what the evaluators said, so that a report can be made again from files alone."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fewshot.errors import UserError
from fewshot.experiment.files import inside
from fewshot.sections import (
    Block,
    Images,
    Link,
    Matrix,
    Note,
    Picture,
    Section,
    Table,
    Thumbnails,
)
from fewshot.spreadsheet import read_csv

FILE = "sections.json"
TEXTS = (
    *("id", "label", "class", "true class", "taken for", "row", "caption", "verdict"),
    *(f"class_{i}" for i in range(1, 6)),
)


def sections_text(sections: Sequence[Section]) -> str:
    """The contents of sections.json; tables stand in their own CSV files."""
    listed = [
        {
            "heading": section.heading,
            "order": section.order,
            "console": section.console,
            "blocks": [_described(block) for block in section.blocks],
        }
        for section in sections
    ]
    return json.dumps(listed, indent=2, ensure_ascii=False) + "\n"


def read_sections(folder: Path) -> list[Section] | None:
    """What sections.json and its tables say, without what has no file; None where there is none.

    Raises UserError for a damaged file, and for a name that leads out of the folder.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        sections = [_section(folder, found) for found in listed]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{path} is damaged ({error}): run the experiment again.") from None
    return [section for section in sections if section.blocks]


def _described(block: Block) -> dict[str, Any]:
    match block:
        case Table():
            return {"table": block.name, "note": block.note, "across": list(block.across)}
        case Picture():
            return {"picture": block.name, "caption": block.caption}
        case Link():
            return {"link": block.target, "text": block.text}
        case Note():
            return {"note": block.text}
        case Images():
            return {
                "images": block.name,
                "note": block.note,
                "thumbnails": asdict(block.thumbnails),
            }
        case Matrix():
            return {
                "matrix": block.name,
                "shown": _described(block.shown),
                "picture": _described(block.picture),
            }


def _section(folder: Path, found: Mapping[str, Any]) -> Section:
    blocks = [_block(folder, described) for described in found["blocks"]]
    kept = [block for block in blocks if block is not None]
    return Section(str(found["heading"]), kept, int(found["order"]), bool(found["console"]))


def _block(folder: Path, found: Mapping[str, Any]) -> Block | None:
    kinds = ("table", "matrix", "images", "picture", "link")
    name = next((found[kind] for kind in kinds if kind in found), None)
    if name is None:
        return Note(str(found["note"]))
    path = inside(folder, str(name))
    if not path.is_file():  # a picture that could not be drawn
        return None
    if "matrix" in found:
        picture = Picture(str(found["picture"]["picture"]), str(found["picture"]["caption"]))
        inside(folder, picture.name)
        shown = _images(folder, found["shown"])
        return Matrix(str(name), table(path), shown, picture)
    if "images" in found:
        return _images(folder, found)
    if "picture" in found:
        return Picture(str(name), str(found["caption"]))
    if "link" in found:
        return Link(str(name), str(found["text"]))
    return Table(str(name), table(path), str(found["note"]), tuple(map(str, found["across"])))


def _images(folder: Path, found: Mapping[str, Any]) -> Images:
    told = found["thumbnails"]
    inside(folder, str(told["name"]))
    sizes = (int(told[key]) for key in ("width", "height", "columns"))
    thumbnails = Thumbnails(str(told["name"]), *(max(1, size) for size in sizes))
    name = str(found["images"])
    frame = table(inside(folder, name))
    empty = {column: "" for column in ("row", "caption", "verdict") if column in frame}
    return Images(name, frame.fillna(empty), thumbnails, str(found["note"]))


def table(path: Path) -> Any:
    """The table of a file; raises UserError where it is damaged."""
    try:
        return read_csv(path, TEXTS)
    except ValueError as error:  # pandas' own parser errors are ValueErrors
        raise UserError(f"{path} is damaged ({error}): run the experiment again.") from None
