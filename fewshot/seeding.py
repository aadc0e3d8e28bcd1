"""Randomness as a pure function of keys, so that a run can be cut, resumed and split alike.

Three sources, and no other: sample order draws from `generator(seed, epoch)`, augmentation from
`KeyedRandom` over (seed, epoch, position in the epoch), and the global generators, which libraries
and layers such as dropout draw from, are re-seeded at the top of every step by `reseed`.
"""

import hashlib
import random
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from fewshot.splitmix import GOLDEN, arithmetic, wrapped

_MASK_31 = (1 << 31) - 1


def derive(*parts: int | str) -> int:
    """A 63-bit seed that depends on every part and on their order."""
    text = "/".join(str(part) for part in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


def generator(*parts: int | str) -> np.random.Generator:
    """A numpy generator seeded from the parts."""
    return np.random.default_rng(derive(*parts))


def reseed(*parts: int | str) -> None:
    """Seed the global generators of random, numpy and torch (all devices) from the parts."""
    seed = derive(*parts)
    random.seed(seed)
    np.random.seed(seed & _MASK_31)
    # torch.manual_seed asks for the driver at each call, which costs a tenth of a small step
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(seed)


class KeyedRandom:
    """Random numbers for a batch in which image i's draws depend on row i of the keys alone.

    keys: int64 [B, K], for example (seed, epoch, position). Successive draws from one object
    differ; `fold(n)` gives an independent stream, so that one transform's draws do not move when
    another is added before it. Draws are equal on every device and for every split of the batch.
    """

    def __init__(self, keys: Tensor) -> None:
        if keys.ndim != 2 or keys.dtype != torch.int64:
            raise ValueError(f"keys are int64 [B, K], not {keys.dtype} {list(keys.shape)}")
        self._by = arithmetic(keys.device)
        self._state = self._by.state(keys)
        self._draws = 0

    def __len__(self) -> int:
        return len(self._state)

    def fold(self, n: int) -> "KeyedRandom":
        """An independent stream for the same keys."""
        other = object.__new__(KeyedRandom)
        other._by = self._by
        other._state = self._by.fold(self._state, derive("fold", n))
        other._draws = 0
        return other

    def _offset(self) -> int:
        """Of the next draw."""
        self._draws += 1
        return wrapped(self._draws * GOLDEN)

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32 [B], each in [low, high)."""
        return self._by.uniform(self._state, self._offset(), low, high)

    def integers(self, high: int) -> Tensor:
        """int64 [B], each in 0 .. high - 1."""
        if high < 1:
            raise ValueError(f"integers(high) needs high of at least 1, not {high}")
        return self._by.integers(self._state, self._offset(), high)

    def bernoulli(self, probability: float) -> Tensor:
        """bool [B], True with the given probability."""
        return self.uniform() < probability

    def choice(self, options: Sequence[float]) -> Tensor:
        """float32 [B], each one of the options."""
        return _table(tuple(options), self._state.device)[self.integers(len(options))]


@lru_cache(maxsize=64)
def _table(options: tuple[float, ...], device: torch.device) -> Tensor:
    """Moved to the device once, not at every draw."""
    return torch.tensor(options, dtype=torch.float32, device=device)
