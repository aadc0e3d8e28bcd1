"""A gallery beside a model file, written in parts: memory holds a part, however many images."""

import json
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.errors import UserError
from fewshot.experiment.files import writing
from fewshot.heads.knn import EXACT_ROWS
from fewshot.heads.vector_index import built
from fewshot.models.prediction.gallery_digests import digests_of
from fewshot.models.prediction.gallery_folder import (
    FEATURES,
    FORMAT,
    VERSION,
    GalleryFolder,
    check_of,
    embedding_digest,
    folder_of,
)
from fewshot.models.stored import StoredModel


@dataclass(frozen=True)
class Part:
    """Some images: names, their classes ('' where there is none), features float32 [n, D].

    broken: photos that could not be read, and why; there may be nothing else.
    """

    names: list[str]
    classes: list[str]
    features: NDArray[np.float32]
    broken: list[str] = field(default_factory=list)


def write_gallery(
    model: StoredModel,
    parts: Iterable[Part],
    metrics: Sequence[str] = ("cosine",),
    exact_rows: int = EXACT_ROWS,
) -> GalleryFolder:
    """The gallery of these images, which takes the place of one that is there.

    exact_rows: above so many an index is made for each metric, and no features are kept. Raises
    UserError without images, for features that are not finite, and without faiss where an index is
    needed.
    """
    place = folder_of(model.path)
    unfinished = place.with_name(f".{place.name}.part")
    with writing(unfinished):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        try:
            about = _write_rows(unfinished, parts)
            if about["rows"] > exact_rows:
                shape = (about["rows"], about["width"])
                about["recall"] = _write_indexes(unfinished, shape, metrics)
            sizes = {path.name: path.stat().st_size for path in sorted(unfinished.iterdir())}
            about |= {"format": FORMAT, "version": VERSION, "model": embedding_digest(model)}
            about |= {"bytes": sizes, "digests": digests_of(unfinished, list(sizes))}
            about = json.loads(json.dumps(about))  # as it will be read
            text = json.dumps(about | {"check": check_of(about)}, ensure_ascii=False, indent=1)
            (unfinished / "gallery.json").write_text(text, encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            unfinished.replace(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return GalleryFolder(model, place, compare=False)


def _write_rows(folder: Path, parts: Iterable[Part]) -> dict[str, Any]:
    """Write all but the index; rows, width and classes."""
    rows = width = end = 0
    numbers: dict[str, int] = {}
    names, ends, labels, features = (
        (folder / name).open("wb") for name in ("names.txt", "ends.i64", "labels.i32", FEATURES)
    )
    with names, ends, labels, features:
        for part in parts:
            if not part.names:
                continue
            lines = [name.replace("\n", " ").encode() + b"\n" for name in part.names]
            names.write(b"".join(lines))
            places = end + np.cumsum([len(line) for line in lines], dtype=np.int64)
            ends.write(places.tobytes())
            told = [numbers.setdefault(name, len(numbers)) if name else -1 for name in part.classes]
            labels.write(np.array(told, np.int32).tobytes())
            _refuse_not_finite(part)
            features.write(np.ascontiguousarray(part.features, np.float32).tobytes())
            rows, width = rows + len(lines), part.features.shape[1]
            end = int(places[-1])
    if not rows:
        raise UserError("the gallery has no image that can be read: name other photos.")
    return {"rows": rows, "width": width, "class_names": list(numbers)}


def _refuse_not_finite(part: Part) -> None:
    wrong = np.flatnonzero(~np.isfinite(part.features).all(axis=1))
    if len(wrong):
        raise UserError(
            f"the model makes features of {part.names[wrong[0]]} that are no finite numbers, by "
            "which nothing can be compared: look at the photo, and at how the model was trained."
        )


def _write_indexes(
    folder: Path, shape: tuple[int, int], metrics: Sequence[str]
) -> dict[str, float]:
    """Put indexes in the place of the features; the recall of each."""
    features = np.memmap(folder / FEATURES, np.float32, "r", shape=shape)
    recalls = {}
    for metric in metrics:
        index = built(features, metric)
        index.write(folder / f"{metric}.faiss")
        recalls[metric] = index.recall
    (folder / FEATURES).unlink()
    return recalls
