"""A gallery beside a model file, for more images than the file holds: mapped from disk.

`x.gallery` beside `x.mdl` holds gallery.json (format, which model, digests), names.txt and ends.i64
(a line an image, and where each ends), labels.i32 (-1: none), and features.f32 up to a number of
rows, above it cosine.faiss, and euclidean.faiss where the model's head votes by that distance.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fewshot.errors import UserError
from fewshot.heads.nearest import search
from fewshot.heads.vector_index import VectorIndex, opened
from fewshot.models.digest import digest_of
from fewshot.models.prediction.gallery_digests import damaged
from fewshot.models.stored import StoredModel

logger = logging.getLogger("fewshot")

FORMAT, VERSION = "fewshot gallery", 1
FEATURES = "features.f32"
_REMEDY = "make it again (python -m fewshot index MODEL PHOTOS), or remove that folder."


def folder_of(model: Path) -> Path:
    """Where the gallery of a model file is."""
    return model.with_suffix(".gallery")


def embedding_digest(stored: StoredModel) -> str:
    """Of all that makes a model's features; classes that are added later do not change it."""
    parts = [stored.encoder, stored.projection]
    plain = [None if part is None else vars(part) for part in parts]
    return digest_of([plain, vars(stored.inputs), vars(stored.images)])


class GalleryFolder:
    """A gallery that was written beside a model; opened by its file names, mapped from disk.

    class_names: of its images; labels: int32 [rows] into them, -1 where an image has none;
    indexes: by metric, none where all images are compared with, by their features [rows, D]. Raises
    UserError for one of another model, and for one that is damaged or of another kind. compare: its
    files with their digests.
    """

    def __init__(self, model: StoredModel, place: Path, compare: bool = True) -> None:
        self.place, about = place, _about(place)
        self._logged: set[str] = set()
        if about["model"] != embedding_digest(model):
            raise UserError(
                f"the gallery '{place}' was made by another model than '{model.path}': make it "
                f"again (python -m fewshot index {model.path} PHOTOS), or remove that folder."
            )
        if compare:
            _compare(place, about)
        self.class_names = tuple(about["class_names"])
        rows, width = about["rows"], about["width"]
        self._ends = np.memmap(place / "ends.i64", np.int64, "r", shape=(rows,))
        self._names = np.memmap(place / "names.txt", np.uint8, "r")
        # copied where written to, which none ever is: torch wants it so
        labels = np.memmap(place / "labels.i32", np.int32, "c", shape=(rows,))
        self.labels = torch.from_numpy(labels)
        self.indexes: dict[str, VectorIndex] = {
            metric: opened(place / f"{metric}.faiss", metric, reached)
            for metric, reached in about.get("recall", {}).items()
        }
        if not self.indexes:
            mapped = np.memmap(place / FEATURES, np.float32, "c", shape=(rows, width))
            self.features = torch.from_numpy(mapped)
        self._check_ranges(width)

    def _check_ranges(self, width: int) -> None:
        """Refuse what no index writes, which would be another error later."""
        starts = np.concatenate(([0], self._ends))
        sizes = {(one.index.ntotal, one.index.d) for one in self.indexes.values()}
        for name, right in (
            ("ends.i64", bool((np.diff(starts) > 0).all()) and starts[-1] == len(self._names)),
            ("labels.i32", -1 <= self.labels.min() <= self.labels.max() < len(self.class_names)),
            ("an index", sizes <= {(len(self), width)}),
        ):
            if not right:
                raise UserError(f"'{self.place}' is damaged: {name} is out of range; {_REMEDY}")

    def __len__(self) -> int:
        return len(self._ends)

    def told(self, metric: str = "cosine") -> str:
        """For the reader: what is compared with by a metric, and how exactly."""
        if self.indexes:
            return self.indexes[metric].told()
        return f"{len(self):,} images of the gallery beside the model are compared with, each"

    def tell(self, metric: str = "cosine") -> None:
        """Log, once, what is compared with by a metric, and how exactly."""
        if metric not in self._logged:
            self._logged.add(metric)
            logger.info("%s", self.told(metric))

    def name(self, row: int) -> str:
        """What an image is called."""
        start = int(self._ends[row - 1]) if row else 0
        return bytes(self._names[start : int(self._ends[row]) - 1]).decode("utf-8", "replace")

    def nearest(self, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """query [Q, D] -> squared distances of unit vectors [Q, k], and rows int64 [Q, k]."""
        if self.indexes:
            return self.indexes["cosine"].search(query, k)
        one_class = torch.zeros(len(self), dtype=torch.int64)
        found = search(self.features, one_class, query.cpu(), 1, k, "cosine")
        return found.squared.to(query.device), found.rows.to(query.device)


def gallery_beside(model: StoredModel) -> GalleryFolder | None:
    """The gallery of a model's file; None where there is none. Raises as GalleryFolder does."""
    place = folder_of(model.path)
    return GalleryFolder(model, place) if place.is_dir() else None


def _about(place: Path) -> Mapping[str, Any]:
    """gallery.json, where it and the files fit together."""
    try:
        about: dict[str, Any] = json.loads((place / "gallery.json").read_text(encoding="utf-8"))
        kind, version, sizes = about["format"], about["version"], dict(about["bytes"])
        rows, width = int(about["rows"]), int(about["width"])
        wanted = {"ends.i64": rows * 8, "labels.i32": rows * 4, "names.txt": sizes["names.txt"]}
        if "recall" in about:
            recalls = {"cosine": 0.0} | {key: float(v) for key, v in about["recall"].items()}
            wanted |= {name: sizes[name] for name in (f"{metric}.faiss" for metric in recalls)}
        else:
            wanted[FEATURES] = rows * width * 4
        if not isinstance(about["class_names"], list) or not isinstance(about["model"], str):
            raise TypeError("of other kinds")
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"'{place}' is no gallery that can be read: {_REMEDY}") from error
    if kind != FORMAT or version != VERSION:
        raise UserError(f"'{place}' is of another version ({version}): {_REMEDY}")
    for name, size in wanted.items():
        found = (place / name).stat().st_size if (place / name).is_file() else 0
        if found != size:
            raise UserError(
                f"'{place}' is cut short: {name} has {found:,} of {size:,} bytes; {_REMEDY}"
            )
    return about


def check_of(about: Mapping[str, Any]) -> str:
    """A digest of gallery.json's own content."""
    return digest_of(sorted((name, value) for name, value in about.items() if name != "check"))


def _compare(place: Path, about: Mapping[str, Any]) -> None:
    """Refuse a gallery whose files are not what was written; one without digests is warned of."""
    if "digests" not in about and "check" not in about:
        logger.warning(
            "'%s' is of an older version, without digests, so that damage to it would not be "
            "noticed: make it again (python -m fewshot index MODEL PHOTOS)",
            place,
        )
        return
    wrong = "gallery.json" if about.get("check") != check_of(about) else None
    wrong = wrong or damaged(place, about["digests"])
    if wrong:
        raise UserError(f"'{place}' is damaged: {wrong} is not what was written; {_REMEDY}")
