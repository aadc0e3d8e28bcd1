"""What the demo asks of a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fewshot.data.images.decode import ImageFormat
from fewshot.data.images.plain_background import UInt8Array


class Recogniser(Protocol):
    """Names what pictures show, and learns further articles from a few of them.

    image_format: of the images it takes.
    """

    image_format: ImageFormat

    @property
    def class_names(self) -> Sequence[str]:
        """All that it can answer."""
        ...

    @property
    def added(self) -> Sequence[str]:
        """Those of its classes that were added."""
        ...

    @property
    def threshold(self) -> float | None:
        """The share below which the likeliest class is no answer, but "unknown"; None: none is."""
        ...

    def predict(self, images: UInt8Array, top: int) -> list[list[tuple[str, float]]]:
        """uint8 [B, C, H, W] -> for each image the likeliest classes and their shares, falling."""
        ...

    def add(self, name: str, images: UInt8Array) -> None:
        """Know a new class from uint8 [B, C, H, W]; raises UserError for a name it knows."""
        ...

    def remove(self, name: str) -> None:
        """Forget a class that was added; raises UserError for another."""
        ...

    def save(self, path: Path) -> None:
        """Write the model, with what was added, as one file."""
        ...
