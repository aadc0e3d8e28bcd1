"""Decoded images on disk, shared by every CSV over one root_dir."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from torch import Tensor

from fewshot.batch import IntArray
from fewshot.data.images.decode import Failure, ImageFormat
from fewshot.data.images.decoding import check_space, decode_in_order
from fewshot.data.images.joined import JoinedSegments
from fewshot.data.images.lock import locked
from fewshot.data.images.segments import (
    Index,
    SegmentWriter,
    leftovers,
    read_index,
    read_segment,
    remove_unnamed,
    write_index,
)
from fewshot.data.images.store import ImageStore
from fewshot.errors import UserError
from fewshot.progress import ProgressBar
from fewshot.wording import first_few

logger = logging.getLogger("fewshot")

SEGMENT_BYTES = 1 << 30  # what an interruption can lose at most


class Pack:
    """A growing set of images of one format in memory-mapped segments.

    `add` decodes what is missing or stale; several processes may add at once. A segment counts
    once the index names it, so that a killed writer leaves nothing that is taken for whole.
    """

    def __init__(self, directory: Path, wanted: ImageFormat) -> None:
        self.directory = directory
        self.format = wanted
        self._read()

    def _read(self) -> None:
        self._index = read_index(self.directory)
        found = (read_segment(self.directory, n, self.format.shape) for n in self._index.segments)
        self._images = JoinedSegments([segment for segment in found if segment is not None])

    def add(self, store: ImageStore, stamps: Mapping[str, str]) -> dict[str, str]:
        """Pack what is missing or stale -> {id: why it could not be read}.

        stamps: of the wanted ids, from `store.find`. Raises UserError when the pack cannot be
        written or the disk is too full.
        """
        failures: dict[str, Failure] = {}
        if self._missing(stamps) or self._index.rebuilt:
            with self._writing(), locked(self.directory):
                self._read()  # another process may have packed them in the meantime
                if self._index.rebuilt:
                    write_index(self.directory, self._index)
                failures = self._append(store, self._missing(stamps), stamps)
            self._read()
        elif leftovers(self.directory, self._index):
            self._clear_up()
        broken = {i: reason for i, (_, reason) in self._index.unreadable.items() if i in stamps}
        return broken | {image_id: failure.reason for image_id, failure in failures.items()}

    def _missing(self, stamps: Mapping[str, str]) -> list[str]:
        """The ids that are neither packed nor known to be broken, by these stamps."""
        missing, tried = self._images.missing(stamps), self._index.unreadable
        anew = {i: known != stamps[i] for i, (known, _) in tried.items() if i in stamps}
        if not anew:
            return missing
        unpacked = set(missing)
        return [image_id for image_id in stamps if anew.get(image_id, image_id in unpacked)]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"packed images cannot be written to {self.directory}: {error.strerror or error}.\n"
                f"Bind another place: FashionDataset.cache_dir = '/path/with/space'."
            ) from error

    def _clear_up(self) -> None:
        """Delete what a killed process left; a living one clears up itself."""
        with suppress(OSError), locked(self.directory, wait=False):
            remove_unnamed(self.directory, read_index(self.directory))

    def damaged(self, places: IntArray) -> list[str]:
        """The ids at those places whose pixels are not what was packed; each is compared once."""
        return self._images.damaged(places)

    def repair(self, store: ImageStore, ids: Sequence[str]) -> None:
        """Decode damaged images again, into a segment of their own: their places are new ones.

        Raises UserError where their files have changed or cannot be read any more.
        """
        logger.warning(
            "%s: the packed pixels of %d images are damaged: decoded again (%s)",
            self.directory, len(ids), first_few(ids),
        )  # fmt: skip
        found = store.find(ids)
        changed = set(self._missing(found))
        gone = [image_id for image_id in ids if image_id not in found or image_id in changed]
        failures: dict[str, Failure] = {}
        if not gone:
            with self._writing(), locked(self.directory):
                self._read()
                failures = self._append(store, self.damaged(self.places(ids)), found)
        if gone or failures:
            raise UserError(
                f"the packed pixels of {first_few([*gone, *failures])} are damaged, and their "
                "files have changed or cannot be read any more: remove "
                f"{self.directory} and start again."
            )

    def _append(
        self, store: ImageStore, ids: Sequence[str], stamps: Mapping[str, str]
    ) -> dict[str, Failure]:
        remove_unnamed(self.directory, self._index)
        if not ids:
            return {}
        check_space(self.directory, len(ids), self.format.nbytes)
        failures: dict[str, Failure] = {}
        step = max(1, SEGMENT_BYTES // self.format.nbytes)
        label = f"decoding {store.root_dir.name}"
        with ProgressBar(label, len(ids)) as bar:
            for start in range(0, len(ids), step):
                part = ids[start : start + step]
                chunks = decode_in_order(store, part, self.format, len(ids))
                with SegmentWriter(self.directory) as writer, closing(chunks):
                    for chunk, images, failed in chunks:
                        good = [k for k in range(len(chunk)) if k not in failed]
                        names = [chunk[k] for k in good]
                        whole = images if not failed else images[good]
                        writer.append(names, [stamps[name] for name in names], whole)
                        failures.update((chunk[k], failure) for k, failure in failed.items())
                        bar.update(len(chunk))
                    self._publish(writer.commit(), part, stamps, failures)
        return failures

    def _publish(
        self,
        name: str | None,
        ids: Iterable[str],
        stamps: Mapping[str, str],
        failures: Mapping[str, Failure],
    ) -> None:
        """Name the new segment in the index, and drop segments it replaced altogether."""
        tried = set(ids)
        broken = {i: known for i, known in self._index.unreadable.items() if i not in tried}
        for image_id, failure in failures.items():
            if failure.lasting:
                broken[image_id] = (stamps[image_id], failure.reason)
        names = [*self._images.names, *([name] if name else [])]
        write_index(self.directory, Index(names, broken))
        self._read()
        kept = self._images.live()
        if len(kept) < len(self._images.names):
            write_index(self.directory, Index(kept, broken))
            self._read()
            remove_unnamed(self.directory, self._index)

    def places(self, ids: Sequence[str]) -> IntArray:
        """int64 [n], where each packed id is; until something is packed."""
        return self._images.places(ids)

    def digests(self, places: IntArray) -> IntArray:
        """int64 [n], a digest of the pixels at each place."""
        return self._images.digests(places)

    def gather(self, places: IntArray) -> Tensor:
        """Uint8 [n, C, H, W], copied out of the segments."""
        return self._images.gather(places, self.format.shape)
