"""How long one image takes."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import gin
import torch
from torch import Tensor

from fewshot.errors import UserError
from fewshot.evaluation.inference import device_of
from fewshot.interfaces import Dataset, Evaluation
from fewshot.training.compilation import compiled


@gin.register
class InferenceTime:
    """Milliseconds an image at batch 1, the model only: the median of `repeats` forward passes.

    In float32, whatever the run's precision, and with the image already on the device. With
    compiled, the time under torch.compile is measured too, compilation excluded. Figures stand
    under "inference" in results.json.
    """

    monitors = False

    def __init__(self, repeats: int = 500, warm_up: int = 50, compiled: bool = False) -> None:
        if repeats < 1:
            raise UserError(f"InferenceTime.repeats is {repeats}: use 1 or more.")
        self.repeats = repeats
        self.warm_up = warm_up
        self.compiled = compiled

    def __call__(self, objective: Any, datasets: Mapping[str, Dataset]) -> Evaluation:
        """Time the objective's scores, or its embedding where it does not classify."""
        dataset = next(iter(datasets.values()))
        device = device_of(objective)
        image = dataset.images(torch.arange(1).numpy()).to(device)
        forward = getattr(objective, "scores", None) or objective.embed
        figures: dict[str, Any] = {
            "device": device.type,
            "precision": "float32",
            "threads": torch.get_num_threads(),
            "repeats": self.repeats,
            "milliseconds": self._median(forward, image),
        }
        if self.compiled:
            with torch.inference_mode(), torch.autocast(image.device.type, enabled=False):
                function = compiled(forward, image, "InferenceTime.compiled")
            figures["compiled_milliseconds"] = self._median(function, image)
        return Evaluation({"inference": figures})

    def _median(self, forward: Callable[[Tensor], Tensor], image: Tensor) -> float:
        times = []
        with torch.inference_mode(), torch.autocast(image.device.type, enabled=False):
            for _ in range(self.warm_up):
                forward(image)
            for _ in range(self.repeats):
                _synchronise(image)
                start = time.perf_counter()
                forward(image)
                _synchronise(image)
                times.append(time.perf_counter() - start)
        return round(statistics.median(times) * 1000, 4)


def _synchronise(image: Tensor) -> None:
    if image.is_cuda:
        torch.cuda.synchronize()
