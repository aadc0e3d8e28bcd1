"""The batches of an epoch, gathered ahead of use, each rank taking its slice of every batch."""

import logging
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from fewshot.batch import Batch, IntArray
from fewshot.errors import UserError
from fewshot.interfaces import Dataset, Sampler
from fewshot.sharing import Share
from fewshot.training.fabric import Fabric
from fewshot.training.fit import Fit
from fewshot.training.resident import is_to_reside, resident_images

logger = logging.getLogger("fewshot")

_AHEAD = 2  # batches in flight: one being gathered while one waits
_LOOKED_AT = 16  # images before training, at the least


class Feed:
    """Batches on the device, a pure function of (dataset, sampler, seed, epoch, rank).

    Image i of a batch has the key (seed, epoch, position), where position counts the images of the
    epoch over all ranks, so that one process and several draw alike. One thread gathers the next
    images while the device computes on the last; there are no worker processes. resident: the
    images are kept on the device instead, moved there at the first epoch, and nothing is gathered.
    """

    def __init__(
        self,
        dataset: Dataset,
        sampler: Sampler,
        seed: int,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        resident: bool = False,
    ) -> None:
        self._dataset = dataset
        self._sampler = sampler
        self._seed = seed
        self._device = device
        self._rank = rank
        self._world_size = world_size
        self._resident = resident
        self._on_device: Tensor | None = None  # every image, once they are there
        self._labels: Tensor | None = None
        self._places: dict[tuple[int, torch.device], Tensor] = {}
        if dataset.class_names:
            self._labels = torch.from_numpy(np.ascontiguousarray(dataset.labels))

    @classmethod
    def of(cls, fit: Fit, fabric: Fabric, resident: bool | None) -> "Feed":
        """The batches of a run, as this process of the fabric's gets them; see is_to_reside."""
        assert fit.sampler is not None  # Fit saw to it
        rank, ranks = fabric.global_rank, fabric.world_size
        if ranks > 1:
            check_shareable([len(rows) for rows in fit.sampler.batches(0)], fit.sampler, ranks)
        kept = is_to_reside(fit.dataset, fabric.device, resident)
        return cls(fit.dataset, fit.sampler, fit.seed, fabric.device, rank, ranks, kept)

    def check_images(self, epoch: int) -> None:
        """Look at an epoch's first images, of several batches where these are small.

        A run is lost when they are all alike.

        Raises UserError where they are equal in every pixel; warns where each is of one colour.
        """
        batches = self._sampler.batches(epoch)
        rows = np.unique(batches[0])
        for more in batches[1:_LOOKED_AT]:
            if len(rows) < _LOOKED_AT:
                rows = np.union1d(rows, more)
        images = self._dataset.images(rows)
        if len(images) > 1 and bool((images == images[0]).all()):
            colour = ", all of one colour" if bool((images == images.flatten()[0]).all()) else ""
            raise UserError(
                f"the first {len(images)} images are equal in every pixel{colour} "
                f"(ids {', '.join(str(name) for name in self._dataset.ids[rows[:3]])}, ...): there "
                "is nothing to learn from. Look at the image files and at FashionDataset.root_dir."
            )
        if bool((images.flatten(2) == images.flatten(2)[:, :, :1]).all()):
            logger.warning(
                "each of the first images is of one colour: look at the image files, unless "
                "they are meant to be"
            )

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._sampler)

    def batches(self, epoch: int, start: int = 0) -> Generator[Batch, None, None]:
        """The epoch's batches from the one numbered `start` on."""
        batches = self._sampler.batches(epoch)
        first = sum(len(rows) for rows in batches[:start])
        if self._resident:
            yield from self._taken(batches[start:], epoch, first)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="gather") as executor:
            waiting: deque[Future[Batch]] = deque()
            try:
                for rows in batches[start:]:
                    waiting.append(executor.submit(self._gather, rows, epoch, first))
                    first += len(rows)
                    if len(waiting) > _AHEAD:
                        yield waiting.popleft().result().to(self._device)
                while waiting:
                    yield waiting.popleft().result().to(self._device)
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def _taken(
        self, batches: Sequence[IntArray], epoch: int, first: int
    ) -> Generator[Batch, None, None]:
        """The batches of images that are on the device; rows and keys are moved once an epoch."""
        if self._on_device is None:
            self._on_device = resident_images(self._dataset, self._device)
            if self._labels is not None:
                self._labels = self._labels.to(self._device)
        sizes = [len(rows) for rows in batches]
        whole = np.concatenate(batches or [np.empty(0, dtype=np.int64)])
        indices = torch.from_numpy(np.ascontiguousarray(whole)).to(self._device)
        together = self._keys(len(whole), epoch, first).to(self._device)
        for index, keys in zip(indices.split(sizes), together.split(sizes), strict=True):
            labels = None if self._labels is None else self._labels.index_select(0, index)
            part = self._part(labels, index, keys)
            yield replace(part, images=self._on_device.index_select(0, part.rows))

    def _keys(self, count: int, epoch: int, first: int) -> Tensor:
        """Of so many images of the epoch, from its `first` on."""
        keys = torch.empty(count, 3, dtype=torch.int64)
        keys[:, 0] = self._seed
        keys[:, 1] = epoch
        keys[:, 2] = torch.arange(first, first + count)
        return keys

    def _part(self, labels: Tensor | None, rows: Tensor, keys: Tensor) -> Batch:
        """What this process has of a whole batch, but for the images."""
        none = torch.empty(0, dtype=torch.uint8)
        if self._world_size == 1:
            return Batch(none, labels, rows, keys)
        places = self._inside(len(rows), rows.device)
        # where the batch will be, so that it need not be moved there with every batch
        share = Share(self._inside(len(rows), self._device), labels, rows, keys)
        mine = None if labels is None else labels[places]
        return Batch(none, mine, rows[places], keys[places], share)

    def _inside(self, size: int, device: torch.device) -> Tensor:
        """Where this process's images stand in a batch of that size; made once."""
        known = self._places.get((size, device))
        if known is None:
            inside = rank_slice(size, self._sampler.sections, self._rank, self._world_size)
            known = self._places[size, device] = torch.from_numpy(inside).to(device)
        return known

    def _gather(self, rows: IntArray, epoch: int, first: int) -> Batch:
        index = torch.from_numpy(np.ascontiguousarray(rows))
        labels = None if self._labels is None else self._labels[index]
        part = self._part(labels, index, self._keys(len(rows), epoch, first))
        batch = replace(part, images=self._dataset.images(part.rows.numpy()))
        # torch hands out the same pinned buffers again once their copies to the device are done
        return batch.pinned() if self._device.type == "cuda" else batch


def check_shareable(sizes: Sequence[int], sampler: Sampler, ranks: int) -> None:
    """Refuse batches of such sizes that so many processes cannot share alike.

    Only the last, shorter one may be shared unevenly. Raises UserError.
    """
    parts, name = max(sizes) // sampler.sections, type(sampler).__name__
    if parts % ranks:
        each = f" of each of its {sampler.sections} sections" if sampler.sections > 1 else ""
        raise UserError(
            f"a batch of {name} has {parts} images{each}, which {ranks} processes cannot share "
            f"evenly: make that a multiple of {ranks}, or start a number of processes that "
            f"divides {parts}."
        )
    least = min(sizes) // sampler.sections
    if least < ranks:
        raise UserError(
            f"the smallest batch of {name} has {least} images, too few for each of {ranks} "
            "processes to get one: bind drop_last = True or another batch_size of the sampler, or "
            "start fewer processes."
        )


def rank_slice(size: int, sections: int, rank: int, world_size: int) -> IntArray:
    """Indices into a flat batch that one rank takes: the same run of each of its sections."""
    section = size // sections
    bounds = [section * part // world_size for part in (rank, rank + 1)]
    return np.concatenate(
        [np.arange(bounds[0], bounds[1]) + section * part for part in range(sections)]
    )
