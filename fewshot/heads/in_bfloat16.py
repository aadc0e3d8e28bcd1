"""Which references may matter to which queries, by products in bfloat16 where these are fast.

What features lose when they are rounded is measured, and distances may be off by so much: a few
more pairs are compared exactly, and the same are found.
"""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from fewshot.heads.screening import Asked, Block, References, Screen

_QUERIES, _REFERENCES = 1024, 8192  # fewer are not worth the preparation
_ROUNDING = 2.0**-8  # of a bfloat16
_KEPT = 2**26  # numbers of references: they are rounded once for all queries
# Numbers between which no product that matters is too small, or too large, for a float32.
_LEAST, _MOST = 2.0**-20, 2.0**50


def multiplies_bfloat16() -> bool:
    """Whether this processor has an instruction for it: without one it takes longer."""
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def worth_trying(references: References, query: Tensor) -> bool:
    """Whether products in bfloat16 can save time here, and lose nothing but by rounding."""
    support = references.support
    return (
        support.device.type == "cpu"
        and support.dtype == torch.float32
        and len(query) >= _QUERIES
        and len(support) >= _REFERENCES
        and len(references.rows) * (support.shape[1] + 3) <= _KEPT
        and multiplies_bfloat16()
        and all(_LEAST < _largest(part) < _MOST for part in (support, query))
    )


def _largest(features: Tensor) -> float:
    """The largest absolute value, without a copy of them all."""
    return float(torch.stack(features.aminmax()).abs().amax())


class InBfloat16(Screen):
    """As Screen, of float32; `Asked.error` is what is lost in products, `grain` in their sums."""

    grain = 2.1 * _ROUNDING  # as a share of a distance: above and below, and of what is rounded

    def __init__(self, references: References, queries: int, rows: int) -> None:
        super().__init__(references, queries, rows)
        self._halves = self._memory.new_empty(len(self._memory), dtype=torch.bfloat16)
        norms, self._rounded = [], []
        for block in super().blocks():
            norms.append(_norms(block.moved[:, :-1]))
            self._rounded.append(_rounded(block))
        self._longest, self._lost = torch.stack(norms).amax(0).tolist()

    def blocks(self) -> Iterator[Block]:
        """All references [B, D + 3]: a length takes three numbers."""
        return iter(self._rounded)

    def asked(self, query: Tensor) -> Asked:
        """Queries, moved, times -2, and three ones [Q, D + 3]."""
        asked = super().asked(query)
        moved, ones = asked.numbers[:, :-1], asked.numbers[:, -1:]
        halves = moved.bfloat16()
        lost = (moved - halves.float()).norm(dim=1, keepdim=True)
        norms = moved.norm(dim=1, keepdim=True)
        error = lost * (self._longest + self._lost) + norms * self._lost
        slack = self.references.slack
        error = error * (1 + slack) + slack * self._longest**2
        return Asked(torch.cat([halves, ones.bfloat16().expand(-1, 3)], 1), asked.lengths, error)

    def look(self, asked: Asked, block: Block) -> tuple[Tensor, Tensor]:
        """As Screen does; the members are not yet what they are at most."""
        product = self._product(self._halves, asked, block)
        # rounding keeps the order, so that the least is the same before and after
        least = self._least(self._memory[: product.numel()].view(product.shape).copy_(product))
        return product.view(len(product), -1, self.group), self.at_most(least)

    def at_most(self, members: Tensor) -> Tensor:
        """Rounded up as far as a sum may have been rounded down."""
        wide = members.float()
        return wide.add(wide.abs(), alpha=_ROUNDING)


def _norms(moved: Tensor) -> Tensor:
    """The longest of the rows, and the most that one loses when it is rounded."""
    lost = moved - moved.bfloat16().float()
    return torch.stack([part.norm(dim=1).amax() for part in (moved, lost)])


def _rounded(block: Block) -> Block:
    lengths = block.moved[:, -1:]
    parts = [block.moved[:, :-1].bfloat16()]
    for _ in range(3):
        parts.append(lengths.bfloat16())
        lengths = lengths - parts[-1].float()
    return replace(block, moved=torch.cat(parts, 1))
