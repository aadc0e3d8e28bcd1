"""The next batch's augmentation, recorded beside a step and done while that computes.

Augmentation is many small operations, one after the other, which leave most of a GPU idle; a step
of a small net takes little longer than they do. What they draw is a pure function of the keys, so
that a view is the same whenever it is made.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from fewshot.batch import Batch
from fewshot.training.recording import Recorder, detached_copy
from fewshot.training.step import TrainingStep

logger = logging.getLogger("fewshot")

Augment = Callable[[Tensor, Tensor], Tensor]


class Ahead:
    """One view of each image, of the batch that is being trained on and of the one that follows.

    static: the batch that the recorded step reads; only where its forward asks for
    `augment(batch.images, batch.keys)` is there anything to be ahead with, and views of other keys
    are made in their place. See `of`.
    """

    def __init__(
        self, step: TrainingStep, recorder: Recorder, static: Batch, own: Augment, views: Tensor
    ) -> None:
        self._step, self._recorder, self._static = step, recorder, static
        self._own, self._views = own, views
        self._images, self._keys = detached_copy(static.images), detached_copy(static.keys)
        self._next: Tensor | None = None
        self._holds: Batch | None = None  # the batch whose views there are

    @classmethod
    def of(
        cls, step: TrainingStep, recorder: Recorder, device: torch.device, static: Batch
    ) -> "Ahead | None":
        """None for an objective that augments nothing, or by draws that are not of the keys."""
        own = getattr(step.objective, "augment", None)
        if not callable(own):
            return None
        before = _generator(device)
        try:
            with recorder.apart(), torch.no_grad(), step.autocast():
                with recorder.beside():
                    views = own(static.images, static.keys)
                recorder.join()
                kept = detached_copy(views)
        except Exception as error:  # a plug-in's own, which may take other keys than these alone
            logger.debug("no view is made ahead: %s", error)
            views = kept = static.images
        if not torch.equal(before, _generator(device)):
            _put_back(device, before)  # the step to come draws what it would have drawn
            return None
        return None if views is static.images else cls(step, recorder, static, own, kept)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Inside, a step is recorded: it is given the views, and those of the next are made."""
        objective, before = self._step.objective, vars(self._step.objective).get("augment")
        self._next = None

        def augment(images: Tensor, keys: Tensor) -> Tensor:
            ours = images is self._static.images and keys is self._static.keys
            if not ours or self._next is not None:  # twice: the first may have been changed
                return self._own(images, keys)
            with self._recorder.beside():
                self._next = self._own(self._images, self._keys)
            return self._views

        object.__setattr__(objective, "augment", augment)
        try:
            yield
            self._settle()
        finally:
            object.__delattr__(objective, "augment")
            if before is not None:
                object.__setattr__(objective, "augment", before)

    def _settle(self) -> None:
        """The next batch's views take the place of those that the step has read."""
        if self._next is not None:
            self._recorder.join()
            with torch.no_grad():
                self._views.copy_(self._next)

    @property
    def asked(self) -> bool:
        """Whether the step that was recorded asked for the views."""
        return self._next is not None

    def load(self, batch: Batch, following: Batch | None) -> None:
        """Have the views of the batch, and the following one's images where they are read."""
        if self._holds is not batch:
            with torch.no_grad(), self._step.autocast():
                self._views.copy_(self._own(batch.images, batch.keys))
        self._holds = None
        if following is not None and following.images.shape == self._images.shape:
            self._images.copy_(following.images, non_blocking=True)
            self._keys.copy_(following.keys, non_blocking=True)
            self._holds = following


def foreseen(batches: Iterable[Batch], told: Callable[[Batch | None], None]) -> Iterator[Batch]:
    """The batches; `told` is told of each that follows before the one before it is given."""
    coming = iter(batches)
    batch = next(coming, None)
    while batch is not None:
        following = next(coming, None)
        told(following)
        yield batch
        batch = following


def _generator(device: torch.device) -> Tensor:
    """The state of the generator that a recording draws from."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _put_back(device: torch.device, state: Tensor) -> None:
    """Have the generator draw again what followed a state of it."""
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
