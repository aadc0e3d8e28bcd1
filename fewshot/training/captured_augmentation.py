"""An objective's augmentation captured by itself, where its whole step cannot be."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fewshot.training.recording import Recorder, detached_copy
from fewshot.training.watching import watched

logger = logging.getLogger("fewshot")

_WARM = 2
_SIZES = 4  # of batches: recordings are kept for no more, for each takes memory

Recording = tuple[Tensor, Tensor, Callable[[], None], Tensor]


class CapturedAugmentation:
    """`augment(images, keys)` of an objective, recorded once for each of a few sizes of a batch.

    Its draws are a pure function of the keys, so that a replay draws anew. What it returns is the
    caller's to keep. An augmentation that cannot be recorded stays as it is, which is said once.
    """

    def __init__(self, objective: nn.Module, recorder: Recorder, device: torch.device) -> None:
        self._objective, self._recorder, self._device = objective, recorder, device
        self._augment: Callable[[Tensor, Tensor], Tensor] = objective.augment  # type: ignore[assignment]
        self._calls: dict[Any, int] = {}
        self._recordings: dict[Any, Recording] = {}
        self._reasons: list[str] = []

    def __call__(self, images: Tensor, keys: Tensor) -> Tensor:
        """One augmented view of the images."""
        size = (images.shape, images.dtype, keys.shape)
        if self._reasons or (size not in self._calls and len(self._calls) == _SIZES):
            return self._augment(images, keys)
        self._calls[size] = self._calls.get(size, 0) + 1
        if self._calls[size] <= _WARM:
            return self._watched(images, keys, self._calls[size] == _WARM)
        if size not in self._recordings and not self._record(size, images, keys):
            return self._augment(images, keys)
        kept_images, kept_keys, replay, views = self._recordings[size]
        kept_images.copy_(images, non_blocking=True)
        kept_keys.copy_(keys, non_blocking=True)
        replay()
        return detached_copy(views)

    def close(self) -> None:
        """Give back the memory of the recordings; what is called from then on is as it ever was."""
        self._recordings.clear()
        self._reasons.append("training is over")

    def _watched(self, images: Tensor, keys: Tensor, looks: bool) -> Tensor:
        with self._recorder.apart(), torch.no_grad():
            if not looks:
                return self._augment(images, keys)
            with watched(self._objective, self._device, self._reasons):
                views = self._augment(images, keys)
        if self._reasons:
            self._say(self._reasons[0])
        return views

    def _record(self, size: Any, images: Tensor, keys: Tensor) -> bool:
        kept_images, kept_keys = detached_copy(images), detached_copy(keys)
        try:
            with torch.no_grad():
                replay, views = self._recorder.record(lambda: self._augment(kept_images, kept_keys))
        except RuntimeError as error:  # CUDA's own, of many kinds
            self._reasons.append(" ".join(str(error).split())[:200])
            self._say(self._reasons[0])
            return False
        self._recordings[size] = (kept_images, kept_keys, replay, views)
        return True

    def _say(self, reason: str) -> None:
        logger.info(
            "the augmentation of %s is not captured either: %s",
            type(self._objective).__name__,
            reason,
        )
