"""One model before which pictures are held: what it sees, what it says, what it is taught."""

import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.data.images.plain_background import UInt8Array
from fewshot.demo.cutout import Cutout, cut_out, outlines
from fewshot.demo.pictures import data_url, read_picture
from fewshot.demo.preparation import Preparation
from fewshot.demo.recogniser import Recogniser
from fewshot.demo.refusals import RefusedError
from fewshot.errors import UserError

TOP = 5
REFERENCES = 8  # kept, one for each page that is open; the oldest is dropped
MOST_SNAPSHOTS = 20
LONGEST_NAME = 60
MOST_ARTICLES = 1000


@dataclass(frozen=True)
class Sight:
    """What the model gets: cutout None where nothing stood out, image uint8 [C, H, W]."""

    cutout: Cutout | None
    image: UInt8Array


class Viewer:
    """Serves pages: any number of threads may call, the model is asked by one at a time."""

    def __init__(self, recogniser: Recogniser, preparation: Preparation) -> None:
        self._recogniser = recogniser
        self._prepare = preparation
        self._references: OrderedDict[str, UInt8Array] = OrderedDict()
        self._lock = threading.Lock()

    def state(self) -> dict[str, Any]:
        """The classes known, and those of them that were added."""
        known, added = self._recogniser.class_names, self._recogniser.added
        return {
            "classes": [name for name in known if name not in added],
            "articles": list(added),
            "height": self._recogniser.image_format.size[0],
            "width": self._recogniser.image_format.size[1],
        }

    def remember_background(self, content: bytes) -> str:
        """Keep a frame without an item, and return the name by which `look` is told of it."""
        picture = read_picture(content)
        name = secrets.token_urlsafe(9)
        with self._lock:
            self._references[name] = picture
            while len(self._references) > REFERENCES:
                self._references.popitem(last=False)
        return name

    def look(self, content: bytes, reference: str | None = None) -> dict[str, Any]:
        """What the model sees in a picture, and what it takes it for.

        reference: of `remember_background`. Raises RefusedError for bytes that are no picture, and
        for a background that is not known (any longer).
        """
        background = self._background(reference)
        sight = self._see(read_picture(content), background)
        empty = sight.cutout is None and background is not None
        with self._lock:
            top = [] if empty else self._recogniser.predict(sight.image[None], TOP)[0]
            added, threshold = set(self._recogniser.added), self._recogniser.threshold
        return {
            "unknown": bool(top and threshold is not None and top[0][1] < threshold),
            "top": [
                {"name": name, "score": round(float(score), 4), "added": name in added}
                for name, score in top
            ],
            "crop": data_url(np.ascontiguousarray(sight.image.transpose(1, 2, 0).squeeze())),
            "outlines": [] if sight.cutout is None else outlines(sight.cutout.mask),
            "cut": "whole" if sight.cutout is None else sight.cutout.how,
        }

    def teach(
        self, name: str, contents: Sequence[bytes], reference: str | None = None
    ) -> dict[str, Any]:
        """Know a new article from a few pictures of it.

        Raises RefusedError where the name or a picture cannot be used; then nothing is learned.
        """
        name = self._new_name(name)
        if not 1 <= len(contents) <= MOST_SNAPSHOTS:
            raise RefusedError(422, f"{len(contents)} snapshots: take 1 to {MOST_SNAPSHOTS}.")
        background = self._background(reference)
        images, broken = [], []
        for number, content in enumerate(contents, start=1):
            try:
                sight = self._see(read_picture(content), background)
            except RefusedError as refusal:
                broken.append(f"snapshot {number}: {refusal}")
                continue
            if sight.cutout is None and background is not None:
                broken.append(f"snapshot {number}: nothing stands out from the background")
            images.append(sight.image)
        if broken:
            raise RefusedError(
                422,
                f"{len(broken)} of {len(contents)} snapshots cannot be used, so '{name}' was not "
                f"added: {'; '.join(broken)}. Take these again.",
            )
        with self._lock:
            try:
                self._recogniser.add(name, np.stack(images))
            except UserError as error:
                raise RefusedError(409, str(error)) from error
        return {"added": name, "snapshots": len(images), **self.state()}

    def forget(self, name: str) -> dict[str, Any]:
        """Forget an article that was added; raises RefusedError for any other."""
        with self._lock:
            if name not in self._recogniser.added:
                raise RefusedError(404, f"'{name}' is no article that was added.")
            self._recogniser.remove(name)
        return self.state()

    def download(self) -> bytes:
        """The model's file, with the articles that were added."""
        with tempfile.TemporaryDirectory() as folder, self._lock:
            path = Path(folder) / "model.mdl"
            self._recogniser.save(path)
            return path.read_bytes()

    def _new_name(self, name: str) -> str:
        name = " ".join(name.split())
        if not name:
            raise RefusedError(422, "the article has no name: type one first.")
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise RefusedError(
                422, f"the name must be of 1 to {LONGEST_NAME} printable characters."
            )
        if name.casefold() in {known.casefold() for known in self._recogniser.class_names}:
            raise RefusedError(
                409, f"'{name}' is known already: choose another name, or remove it first."
            )
        if len(self._recogniser.added) >= MOST_ARTICLES:
            raise RefusedError(409, f"{MOST_ARTICLES} articles were added: remove one first.")
        return name

    def _background(self, reference: str | None) -> UInt8Array | None:
        if not reference:
            return None
        with self._lock:
            if reference not in self._references:
                raise RefusedError(
                    410, "the background is not known any longer: take it again (key R)."
                )
            self._references.move_to_end(reference)
            return self._references[reference]

    def _see(self, picture: UInt8Array, background: UInt8Array | None) -> Sight:
        if background is not None and not _same_view(picture, background):
            raise RefusedError(
                409,
                "the picture has other proportions than the background: retake the background, or "
                "go on without.",
            )
        cutout = cut_out(picture, background)
        if cutout is None:
            return Sight(None, self._prepare(picture, None))
        item = Cutout(self._prepare.item(picture, cutout.mask), cutout.how)
        return Sight(item, self._prepare(picture, item.mask))


def _same_view(picture: UInt8Array, background: UInt8Array) -> bool:
    """Whether two pictures have the same proportions, a pixel's rounding aside."""
    (height, width), (tall, wide) = picture.shape[:2], background.shape[:2]
    return bool(abs(height * wide - width * tall) <= max(height, width, tall, wide))
