"""What an autoencoder makes of images, as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gin
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fewshot.errors import UserError
from fewshot.evaluation.inference import device_of
from fewshot.evaluation.naming import reported_split
from fewshot.interfaces import Dataset, Evaluation
from fewshot.sections import Picture, Section


@gin.register
class Reconstructions:
    """reconstructions.png: images of the test split (else of validation) over their rebuilt selves.

    The objective's reconstruct(uint8 [B, C, H, W]) -> two float [B, C, H, W], pixels in [0, 1].
    n_images: evenly spread over the rows; columns: pairs in a line. Captions: the class, and the
    root of the mean squared error in grey levels, 0 .. 255. Raises UserError for an objective that
    rebuilds nothing.
    """

    monitors = False

    def __init__(self, n_images: int = 24, columns: int = 8) -> None:
        if min(n_images, columns) < 1:
            raise UserError(
                f"Reconstructions.n_images is {n_images} and columns {columns}: bind 1 or more."
            )
        self.n_images = n_images
        self.columns = columns

    def check(self, objective: Any, _datasets: Mapping[str, Dataset]) -> None:
        """Raise, before anything is trained, that the objective rebuilds nothing."""
        if not hasattr(objective, "reconstruct"):
            raise UserError(
                f"{type(objective).__name__} rebuilds no images: leave Reconstructions out of "
                "main.evaluators, or bind main.objective = @AutoEncoder."
            )

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Rebuild the images; the picture is drawn when asked for."""
        self.check(objective, datasets)
        split = reported_split(datasets)
        if split is None:
            return Evaluation({})
        dataset = datasets[split]
        count = min(self.n_images, len(dataset))
        rows = np.arange(count) * len(dataset) // count
        with torch.inference_mode():
            pair = objective.reconstruct(dataset.images(rows).to(device_of(objective)))
        seen, rebuilt = (_pixels(images) for images in pair)
        errors = np.sqrt(((seen.astype(float) - rebuilt) ** 2).mean((1, 2, 3)))
        above = [_class_name(dataset, row) for row in rows.tolist()]
        below = [f"off by {error:.1f}" for error in errors]

        def draw(path: Path) -> None:
            from fewshot.reports.plots import image_grid  # matplotlib takes a second to import

            images, captions = _by_lines(seen, rebuilt, above, below, self.columns)
            image_grid(images, captions, path, columns=min(self.columns, count))

        caption = f"Images of the {split} split over what was made of them"
        section = Section("Reconstructions", [Picture("reconstructions.png", caption)], 65)
        return Evaluation({}, {"reconstructions.png": draw}, [section])


def _pixels(images: Tensor) -> npt.NDArray[np.uint8]:
    """Float [N, C, H, W] in [0, 1] -> uint8 [N, H, W, C]."""
    levels = images.float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()


def _class_name(dataset: Dataset, row: int) -> str:
    label = int(dataset.labels[row])
    return dataset.class_names[label] if label >= 0 else ""


def _by_lines(
    seen: npt.NDArray[np.uint8],
    rebuilt: npt.NDArray[np.uint8],
    above: list[str],
    below: list[str],
    columns: int,
) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """A line of images, the line of what became of them, and so on; short lines end in white."""
    images, captions = [], []
    blank = np.full_like(seen[:1], 255)
    for start in range(0, len(seen), columns):
        part = slice(start, start + columns)
        missing = min(columns, len(seen)) - len(above[part])
        for line, texts in ((seen[part], above[part]), (rebuilt[part], below[part])):
            images += [line, *[blank] * missing]
            captions += [*texts, *[""] * missing]
    return np.concatenate(images), captions
