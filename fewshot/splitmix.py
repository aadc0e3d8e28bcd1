"""The arithmetic of keyed draws: a few dozen torch operations, or on a GPU one kernel a draw.

A small training step on a GPU takes as long as some hundred kernels, and drawn by operations its
crops and flips alone are as many. The kernels are compiled at their first use, by torch's own
jiterator, and only used where they give, bit for bit, what the operations give on the processor.
"""

import logging
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

logger = logging.getLogger("fewshot")

GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB
_COLUMNS = 8  # of keys that a kernel can take

_MIX = """
    auto mixed = [](unsigned long long v) {
        v = (v ^ (v >> 30)) * 0xBF58476D1CE4E5B9ULL;
        v = (v ^ (v >> 27)) * 0x94D049BB133111EBULL;
        return v ^ (v >> 31);
    };
"""
# flip and add come before mixing; a modulus or a span of 0 is none; low and span are the bits of
# float32, multiplied and added one after the other as operations do
DRAW = f"""
template <typename T>
T keyed_draw(T state, T flip, T add, T shift, T modulus, T low, T span) {{{_MIX}
    unsigned long long bits = mixed(
        (static_cast<unsigned long long>(state) ^ static_cast<unsigned long long>(flip))
        + static_cast<unsigned long long>(add)) >> shift;
    if (modulus != 0) bits %= static_cast<unsigned long long>(modulus);
    if (span == 0) return static_cast<T>(bits);
    float unit = static_cast<float>(bits) / 16777216.0f;
    float scaled = __fmul_rn(__int_as_float(static_cast<int>(span)), unit);
    return static_cast<T>(
        __float_as_int(__fadd_rn(__int_as_float(static_cast<int>(low)), scaled)));
}}
"""


def absorbing(columns: int) -> str:
    """The code of a kernel that makes states of so many columns of keys."""
    names = [f"key{number}" for number in range(columns)]
    parameters = ", ".join(f"T {name}" for name in names)
    steps = "\n".join(
        f"    state = mixed(state * 31 + static_cast<unsigned long long>({name})"
        " + 0x9E3779B97F4A7C15ULL);"
        for name in names
    )
    return (
        f"template <typename T>\nT keyed_state_{columns}({parameters}) {{{_MIX}"
        f"    unsigned long long state = 0;\n{steps}\n    return static_cast<T>(state);\n}}\n"
    )


def wrapped(value: int) -> int:
    """The signed 64-bit integer with the same low bits, as int64 arithmetic would give."""
    return (value + (1 << 63)) % (1 << 64) - (1 << 63)


def _shifted(values: Tensor, bits: int) -> Tensor:
    """Logically, as if unsigned."""
    return (values >> bits) & ((1 << (64 - bits)) - 1)


def _mix(values: Tensor) -> Tensor:
    """The splitmix64 finaliser (https://doi.org/10.1145/2714064.2660195) on int64 that wraps."""
    values = (values ^ _shifted(values, 30)) * _MIX_1
    values = (values ^ _shifted(values, 27)) * _MIX_2
    return values ^ _shifted(values, 31)


class Arithmetic(NamedTuple):
    """What draws are made of.

    state(keys int64 [B, K]) -> int64 [B]; fold(state, constant) -> another state; integers(state,
    offset, high) -> int64 [B] in 0 .. high - 1; uniform(state, offset, low, high) -> float32 [B].
    """

    state: Callable[[Tensor], Tensor]
    fold: Callable[[Tensor, int], Tensor]
    integers: Callable[[Tensor, int, int], Tensor]
    uniform: Callable[[Tensor, int, float, float], Tensor]


def _state(keys: Tensor) -> Tensor:
    state = torch.zeros(len(keys), dtype=torch.int64, device=keys.device)
    for column in keys.unbind(1):
        state = _mix(state * 31 + column + GOLDEN)
    return state


def _uniform(state: Tensor, offset: int, low: float, high: float) -> Tensor:
    unit = _shifted(_mix(state + offset), 40).to(torch.float32) / (1 << 24)
    return low + (high - low) * unit


OPERATIONS = Arithmetic(
    state=_state,
    fold=lambda state, constant: _mix(state ^ constant),
    integers=lambda state, offset, high: _shifted(_mix(state + offset), 2) % high,
    uniform=_uniform,
)


def kernels(compiled: Callable[..., Callable[..., Tensor]]) -> Arithmetic:
    """The same by kernels; compiled: makes one of code and of scalars with their defaults."""
    scalars = {"flip": 0, "add": 0, "shift": 0, "modulus": 0, "low": 0, "span": 0}
    draw = compiled(DRAW, **scalars)
    states: dict[int, Callable[..., Tensor]] = {}

    def state(keys: Tensor) -> Tensor:
        columns = keys.shape[1]
        if not 0 < columns <= _COLUMNS:
            return _state(keys)
        if columns not in states:
            states[columns] = compiled(absorbing(columns))
        return states[columns](*keys.unbind(1))

    def uniform(state: Tensor, offset: int, low: float, high: float) -> Tensor:
        span = _float_bits(high - low)
        if span == 0:
            return _uniform(state, offset, low, high)
        bits = draw(state, add=offset, shift=40, low=_float_bits(low), span=span)
        return bits.to(torch.int32).view(torch.float32)

    return Arithmetic(
        state=state,
        fold=lambda state, constant: draw(state, flip=constant),
        integers=lambda state, offset, high: draw(state, add=offset, shift=2, modulus=high),
        uniform=uniform,
    )


def _float_bits(value: float) -> int:
    bits: int = struct.unpack("<i", struct.pack("<f", value))[0]
    return bits


_known: dict[torch.device, Arithmetic] = {}


def arithmetic(device: torch.device) -> Arithmetic:
    """How draws are made on the device."""
    if device.type != "cuda":
        return OPERATIONS
    known = _known.get(device)
    if known is None:
        if torch.cuda.is_current_stream_capturing():  # which nothing may be compiled in
            return OPERATIONS
        known = _known[device] = checked_kernels(device)
    return known


def checked_kernels(device: torch.device) -> Arithmetic:
    """Kernels where the device has them and they are right; operations elsewhere."""
    try:
        from torch.cuda.jiterator import _create_jit_fn

        found = kernels(_create_jit_fn)
        if agree(found, device):
            return found
        logger.warning("compiled draws on %s differ from those of a processor: not used", device)
    except Exception as error:  # a compiler's or a driver's, of any kind
        logger.debug("draws on %s are not compiled: %s", device, error)
    return OPERATIONS


def agree(found: Arithmetic, device: torch.device) -> bool:
    """Whether draws of some keys are those that operations make on the processor."""
    some = torch.arange(-48, 48).view(32, 3) * 0x1234567890ABCD
    pairs: list[tuple[Any, Any]] = []
    ours, theirs = some.to(device), some
    for columns in (2, 3, 4):
        wide = [torch.cat([keys, keys[:, :1]], 1)[:, :columns] for keys in (ours, theirs)]
        pairs.append((found.state(wide[0]), _state(wide[1])))
    state, expected = pairs[-1]
    pairs.append((found.fold(state, GOLDEN), OPERATIONS.fold(expected, GOLDEN)))
    for number, high in enumerate((1, 9, 65_521, 1 << 62)):
        offset = wrapped(number * GOLDEN)
        pairs.append(
            (found.integers(state, offset, high), OPERATIONS.integers(expected, offset, high))
        )
    for least, most in ((0.0, 1.0), (-15.0, 15.0), (0.02, 0.4), (2.0, 2.0), (1.0, -0.3)):
        pairs.append(
            (found.uniform(state, GOLDEN, least, most), _uniform(expected, GOLDEN, least, most))
        )
    return all(torch.equal(one.cpu(), other) for one, other in pairs)
