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

_MASK_31 = (1 << 31) - 1
_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


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


def _wrap(value: int) -> int:
    """The signed 64-bit integer with the same low bits, as int64 arithmetic would give."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _logical_shift(values: Tensor, bits: int) -> Tensor:
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _mix(values: Tensor) -> Tensor:
    """The splitmix64 finaliser (https://doi.org/10.1145/2714064.2660195) on int64 that wraps."""
    values = (values ^ _logical_shift(values, 30)) * _MIX_1
    values = (values ^ _logical_shift(values, 27)) * _MIX_2
    return values ^ _logical_shift(values, 31)


class KeyedRandom:
    """Random numbers for a batch in which image i's draws depend on row i of the keys alone.

    keys: int64 [B, K], for example (seed, epoch, position). Successive draws from one object
    differ; `fold(n)` gives an independent stream, so that one transform's draws do not move when
    another is added before it. Draws are equal on every device and for every split of the batch.
    """

    def __init__(self, keys: Tensor) -> None:
        if keys.ndim != 2 or keys.dtype != torch.int64:
            raise ValueError(f"keys are int64 [B, K], not {keys.dtype} {list(keys.shape)}")
        state = torch.zeros(len(keys), dtype=torch.int64, device=keys.device)
        for column in keys.unbind(1):
            state = _mix(state * 31 + column + _GOLDEN)
        self._state = state
        self._draws = 0

    def __len__(self) -> int:
        return len(self._state)

    def fold(self, n: int) -> "KeyedRandom":
        """An independent stream for the same keys."""
        other = object.__new__(KeyedRandom)
        other._state = _mix(self._state ^ derive("fold", n))
        other._draws = 0
        return other

    def _bits(self) -> Tensor:
        self._draws += 1
        return _mix(self._state + _wrap(self._draws * _GOLDEN))

    def uniform(self, low: float = 0.0, high: float = 1.0) -> Tensor:
        """float32 [B], each in [low, high)."""
        unit = _logical_shift(self._bits(), 40).to(torch.float32) / (1 << 24)
        return low + (high - low) * unit

    def integers(self, high: int) -> Tensor:
        """int64 [B], each in 0 .. high - 1."""
        if high < 1:
            raise ValueError(f"integers(high) needs high of at least 1, not {high}")
        return _logical_shift(self._bits(), 2) % high

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
