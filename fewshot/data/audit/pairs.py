"""Which images of two sets show the same: equal in every pixel, or nearly."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fewshot.batch import IntArray
from fewshot.data.audit.looks import THUMBNAIL, Looks
from fewshot.errors import UserError
from fewshot.progress import followed

FloatArray = NDArray[np.float32]

_QUERIES, _REFERENCES = 128, 8192  # hashes compared at a time: their exclusive or fits the cache
_REFINED = 4096  # pairs whose thumbnails are compared at a time
_BLOCK = 8  # thumbnails are compared by the means of 8 x 8 pixels first
_LEAST_CONTRAST = 8.0  # grey levels: below it, an image is plain but for noise


@dataclass(frozen=True)
class NearRule:
    """When two images count as near duplicates.

    bits: most bits in which their difference hashes may differ; frequency_bits: the same for the
    frequency hashes; distance: most their thumbnails may be apart, see `thumbnail_distance`.
    """

    bits: int = 6
    frequency_bits: int = 10
    distance: float = 0.1

    def __post_init__(self) -> None:
        for name, bits in (("bits", self.bits), ("frequency_bits", self.frequency_bits)):
            if not 0 <= bits <= 64:
                raise UserError(f"{name} is {bits}: hashes have 64 bits, give 0 to 64.")
        if self.distance < 0:
            raise UserError(f"distance is {self.distance}: give 0 or more, such as 0.1.")


@dataclass(frozen=True)
class Match:
    """Query row, reference row, bits between their difference hashes, thumbnail distance."""

    query: int
    reference: int
    bits: int
    distance: float


def exact_matches(query: Looks, reference: Looks | None) -> list[Match]:
    """Each query with the first reference of the same pixels.

    reference: None compares the queries with those before them.
    """
    first: dict[int, int] = {}
    for row, digest in enumerate((reference or query).digests.tolist()):
        first.setdefault(digest, row)
    pairs = [(row, first.get(digest)) for row, digest in enumerate(query.digests.tolist())]
    return [
        Match(row, known, 0, 0.0)
        for row, known in pairs
        if known is not None and (reference is not None or known < row)
    ]


def near_matches(query: Looks, reference: Looks | None, rule: NearRule) -> list[Match]:
    """Each query that has near references, but equal in every pixel, with the nearest of them.

    Hashes choose the candidates, thumbnails confirm them. reference: as in `exact_matches`.
    """
    best: dict[int, Match] = {}
    for match in near_pairs(query, reference, rule):
        known = best.get(match.query)
        if known is None or match.distance < known.distance:
            best[match.query] = match
    return [best[row] for row in sorted(best)]


def near_pairs(query: Looks, reference: Looks | None, rule: NearRule) -> Iterator[Match]:
    """All pairs of which `near_matches` takes the nearest."""
    others = query if reference is None else reference
    sides = _Thumbnails(query), _Thumbnails(others)
    for rows, columns, bits in _candidates(query, others, rule):
        wanted = query.digests[rows] != others.digests[columns]
        if reference is None:
            wanted &= columns < rows
        rows, columns, bits = rows[wanted], columns[wanted], bits[wanted]
        for start in range(0, len(rows), _REFINED):
            part = slice(start, start + _REFINED)
            pairs = (rows[part], columns[part])
            found = _distances(*sides, *pairs, limit=rule.distance)
            for i in np.flatnonzero(found <= rule.distance).tolist():
                row, column = int(pairs[0][i]), int(pairs[1][i])
                yield Match(row, column, int(bits[part][i]), float(found[i]))


def _candidates(
    query: Looks, reference: Looks, rule: NearRule
) -> Iterator[tuple[IntArray, IntArray, NDArray[Any]]]:
    """(query rows, reference rows, bits) of pairs whose hashes are near, part by part."""
    starts = range(0, len(query.digests), _QUERIES)
    for start in followed(starts, "comparing images", "parts"):
        mine = query.difference_hashes[start : start + _QUERIES, None]
        for other in range(0, len(reference.digests), _REFERENCES):
            theirs = reference.difference_hashes[other : other + _REFERENCES]
            bits = np.bitwise_count(mine ^ theirs)
            rows, columns = np.nonzero(bits <= rule.bits)
            rows, columns, bits = rows + start, columns + other, bits[rows, columns]
            apart = query.frequency_hashes[rows] ^ reference.frequency_hashes[columns]
            near = np.bitwise_count(apart) <= rule.frequency_bits
            yield rows[near], columns[near], bits[near]


class _Thumbnails:
    """Thumbnails as rows, their contrasts, and the means of their blocks."""

    def __init__(self, looks: Looks) -> None:
        images = looks.thumbnails
        self.pixels = images.reshape(len(images), THUMBNAIL * THUMBNAIL * 3)
        side = THUMBNAIL // _BLOCK
        blocks = images.reshape(-1, side, _BLOCK, side, _BLOCK, 3).mean((2, 4), dtype=np.float32)
        self.blocks = blocks.reshape(len(images), side * side * 3)
        self.contrasts = np.array([pixels.std() for pixels in self.pixels], np.float32)


def _distances(
    query: _Thumbnails, reference: _Thumbnails, rows: IntArray, columns: IntArray, limit: float
) -> FloatArray:
    """`thumbnail_distance` of each pair; infinite where the block means alone exceed the limit."""
    contrast = np.minimum(query.contrasts[rows], reference.contrasts[columns])
    contrast = np.maximum(contrast, _LEAST_CONTRAST)
    # The means of blocks are never farther apart than the pixels are.
    coarse = _rms(query.blocks[rows], reference.blocks[columns]) / contrast
    near = np.flatnonzero(coarse <= limit)
    found = np.full(len(rows), np.inf, np.float32)
    fine = _rms(query.pixels[rows[near]], reference.pixels[columns[near]])
    found[near] = fine / contrast[near]
    return found


def _rms(a: NDArray[Any], b: NDArray[Any]) -> FloatArray:
    apart = a.astype(np.float32) - b
    mean: FloatArray = np.einsum("nd,nd->n", apart, apart) / a.shape[1]
    return np.sqrt(mean)


def thumbnail_distance(query: Looks, reference: Looks) -> FloatArray:
    """[N]: of pairs row by row, how far the thumbnails are apart.

    The root mean square difference of their pixels over the smaller of their standard deviations:
    0 for equal thumbnails, about 1.4 for unrelated ones.
    """
    rows = np.arange(len(query.digests))
    return _distances(_Thumbnails(query), _Thumbnails(reference), rows, rows, limit=np.inf)
