"""How well a pretext task itself is solved on images that were not trained on."""

from collections.abc import Mapping
from typing import Any

import gin
import numpy as np
import torch

from fewshot.errors import UserError
from fewshot.evaluation.inference import device_of
from fewshot.interfaces import Dataset, Evaluation
from fewshot.progress import followed


@gin.register
class PretextTask:
    """Reports the mean of each of the objective's `pretext_figures` on every split but "train".

    The objective's pretext_figures(uint8 images [B, C, H, W]) -> {name: float [B]}, a value an
    image, such as rotation_top1 or reconstruction_loss. max_images: rows looked at, evenly spread;
    None for all. Raises UserError for an objective without them.
    """

    monitors = True

    def __init__(self, max_images: int | None = None) -> None:
        if max_images is not None and max_images < 1:
            raise UserError(f"PretextTask.max_images is {max_images}: bind 1 or more, or None.")
        self.max_images = max_images

    def check(self, objective: Any, _datasets: Mapping[str, Dataset]) -> None:
        """Raise, before anything is trained, that the objective has no such figures."""
        if not hasattr(objective, "pretext_figures"):
            raise UserError(
                f"{type(objective).__name__} has no pretext task that can be judged on other "
                "images: leave PretextTask out of main.evaluators."
            )

    def figures(self, objective: Any, datasets: Mapping[str, Dataset]) -> set[str]:
        """The names of what the validation split gets, found on one image."""
        return set(self._figures(objective, datasets["validation"], 1))

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Labels are not looked at."""
        self.check(objective, datasets)
        return Evaluation(
            {
                split: self._figures(objective, dataset, self.max_images or len(dataset))
                for split, dataset in datasets.items()
                if split != "train"
            }
        )

    def _figures(
        self, objective: Any, dataset: Dataset, most: int, chunk: int = 256
    ) -> dict[str, float]:
        wanted = min(most, len(dataset))
        rows = np.arange(wanted) * len(dataset) // wanted
        sums: dict[str, float] = {}
        with torch.inference_mode():
            starts = range(0, wanted, chunk)
            for start in followed(starts, "pretext task", "batches"):
                images = dataset.images(rows[start : start + chunk]).to(device_of(objective))
                for name, values in objective.pretext_figures(images).items():
                    sums[name] = sums.get(name, 0.0) + float(values.float().cpu().double().sum())
        return {name: total / wanted for name, total in sums.items()}
