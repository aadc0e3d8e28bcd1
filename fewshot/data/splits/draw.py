"""Seeded draws that depend on what is drawn, not on the order of the rows.

Each row's place in its class is ranked by a hash of (seed, purpose, id), so a larger draw holds the
smaller one, and moving or adding rows changes no other row's rank. Imports no torch, so that the
splits start fast.
"""

import hashlib
import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def hash_ranks(keys: Iterable[object], *salt: int | str) -> NDArray[np.uint64]:
    """A number for each key, drawn from (salt, key) alone."""
    prefix = hashlib.blake2b("/".join(map(str, salt)).encode(), digest_size=8)
    ranks = []
    for key in keys:
        state = prefix.copy()
        state.update(f"/{key}".encode())
        ranks.append(int.from_bytes(state.digest(), "little"))
    return np.array(ranks, dtype=np.uint64)


def drawn_order(names: Iterable[str], *salt: int | str) -> list[str]:
    """The names in an order drawn from the salt, whatever order they are given in."""
    ordered = sorted(names)
    return [ordered[i] for i in np.argsort(hash_ranks(ordered, *salt), kind="stable")]


def alphabetical_codes(labels: pd.Series) -> IntArray:
    """int64 [N], the class of each row, numbered in alphabetical order."""
    return pd.factorize(labels, sort=True)[0].astype(np.int64)


def places_in_class(codes: IntArray, keys: Sequence[object], *salt: int | str) -> IntArray:
    """Each row's place, from 0, among the rows of its class in the drawn order.

    codes: int64 [N], the class of each row, of any value; keys: the ids, or any other distinct
    things that name the rows.
    """
    order = np.lexsort((hash_ranks(keys, *salt), codes))
    ordered = codes[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(codes) else order
    counts = np.diff(np.r_[starts, len(codes)])
    places = np.empty(len(codes), dtype=np.int64)
    places[order] = np.arange(len(codes)) - np.repeat(starts, counts)
    return places


def rows_of_class(codes: IntArray) -> IntArray:
    """int64 [N]: how many rows the class of each row has."""
    _, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.int64)


def held_out(
    codes: IntArray, keys: Sequence[object], fraction: float, *salt: int | str
) -> IntArray:
    """Rows of a stratified draw that leaves every class at least one row, ascending.

    Each class gives its share rounded down or up, so that the whole is the fraction of all rows in
    classes of two rows or more, at least one. Empty where no class has two rows.
    """
    classes, inverse, counts = np.unique(codes, return_inverse=True, return_counts=True)
    exact = np.where(counts > 1, counts * fraction, 0.0)
    quota = np.minimum(np.floor(exact + 1e-9).astype(np.int64), counts - 1)
    rest = exact - quota
    wanted = max(1, math.floor(counts[counts > 1].sum() * fraction + 0.5))
    for i in np.lexsort((hash_ranks(classes.tolist(), *salt), -rest.round(9))):
        if quota.sum() < wanted and rest[i] > 1e-9 and quota[i] < counts[i] - 1:
            quota[i] += 1
    places = places_in_class(codes, keys, *salt)
    return np.flatnonzero(places < quota[inverse]).astype(np.int64)


def held_out_groups(
    codes: IntArray, groups: Sequence[str], fraction: float, *salt: int | str
) -> IntArray:
    """Rows of whole groups, ascending: `held_out` of the groups, each by its most frequent class.

    groups: the group of each row. The fraction is of groups; with a group a row it is held_out.
    """
    names, inverse = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    pairs, counts = np.unique(np.stack([inverse, codes]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -counts, pairs[0]))
    _, first = np.unique(pairs[0][order], return_index=True)
    chosen = held_out(pairs[1][order][first], names.tolist(), fraction, *salt)
    return np.flatnonzero(np.isin(inverse, chosen)).astype(np.int64)


def nth_combination(items: Sequence[str], size: int, index: int) -> list[str]:
    """The index-th of the combinations, from 0, in the order of itertools.combinations.

    0 <= index < math.comb(len(items), size).
    """
    chosen: list[str] = []
    for position, item in enumerate(items):
        if len(chosen) == size:
            break
        with_item = math.comb(len(items) - position - 1, size - len(chosen) - 1)
        if index < with_item:
            chosen.append(item)
        else:
            index -= with_item
    return chosen
