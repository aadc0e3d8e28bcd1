"""Whether an embedding still tells images apart: spread, effective rank, and a guard that warns."""

import logging

import torch
from torch import Tensor, nn

logger = logging.getLogger("fewshot")

_COLLAPSED = 0.05  # spread below which all images practically share one embedding
_AT_MARGIN = 0.05  # how near the mean loss is to the margin, as a share of it


@torch.no_grad()
def spread(embedding: Tensor) -> Tensor:
    """Root mean square distance to the centroid over root mean square norm: scalar in [0, 1].

    embedding: float [B, D]. 0: all rows are equal; 1: the centroid is at the origin. The scale
    of the embedding does not matter; the root mean square distance of two different rows is
    sqrt(2 B / (B - 1)) times as large.
    """
    rows = embedding.float()
    around = (rows - rows.mean(0)).square().sum()
    return (around / rows.square().sum().clamp(min=1e-12)).clamp(max=1).sqrt()


@torch.no_grad()
def effective_rank(embedding: Tensor) -> Tensor:
    """In how many directions the rows differ, from 1 to min(B - 1, D); 0 when they do not.

    The exponential of the entropy of the singular values of the centred rows, as shares of their
    sum (Roy & Vetterli, https://ieeexplore.ieee.org/document/7098875). embedding: float [B, D];
    nan where it is not finite.
    """
    rows = embedding.float()
    if not rows.isfinite().all():
        return rows.new_full((), torch.nan)
    values: Tensor = torch.linalg.svdvals(rows - rows.mean(0))
    shares = values / values.sum().clamp(min=1e-12)
    rank = torch.exp(-torch.xlogy(shares, shares).sum())
    return torch.where(values.sum() > 1e-6 * rows.norm(), rank, 0.0)


class CollapseGuard(nn.Module):
    """Warns when the embedding has collapsed or the loss sits at the margin for a window of steps.

    margin: the value that the loss has when d(a, p) = d(a, n), or None where there is none;
    window: steps that are averaged, so that a run of fewer is not judged. It warns once, and again
    only after a recovery. All it remembers is in its state, so that a resumed run warns alike.
    """

    effective_rank: Tensor
    _sums: Tensor

    def __init__(self, margin: float | None, window: int = 100) -> None:
        super().__init__()
        self.margin = margin
        self.window = window
        self.register_buffer("effective_rank", torch.zeros(()))  # as of the window's first step
        self.register_buffer("_sums", torch.zeros(2))  # of loss and spread over the window
        self._steps = 0
        self._warned = False

    def get_extra_state(self) -> Tensor:
        """Steps seen and whether it has warned: plain numbers, so as not to wait for the device."""
        return torch.tensor([self._steps, int(self._warned)])

    def set_extra_state(self, state: Tensor) -> None:
        """Take back what `get_extra_state` gave."""
        self._steps, self._warned = int(state[0]), bool(state[1])

    @property
    def looks(self) -> bool:
        """Whether the next step begins a window, and is looked at more closely."""
        return self._steps % self.window == 0

    @torch.no_grad()
    def observe(self, loss: Tensor, embedding: Tensor) -> dict[str, Tensor]:
        """Look at a training step: its scalar loss and embedding [B, D] -> figures to log."""
        if self.looks:
            # The singular values are too slow to take at every step.
            self.effective_rank.copy_(effective_rank(embedding))
            self._sums.zero_()
        now = spread(embedding)
        self._sums += torch.stack([loss.detach().float(), now])
        return {"spread": now, "effective_rank": self.effective_rank.clone()}

    def step_done(self, width: int) -> None:
        """Count a step that was observed; at a window's end, judge. width: of the embedding.

        Apart from `observe`, in which nothing is left that a recorded step would not repeat.
        """
        self._steps += 1
        if self._steps % self.window == 0:
            self._judge(width)

    def _judge(self, width: int) -> None:
        loss, mean_spread = (self._sums / self.window).tolist()
        collapsed = mean_spread < _COLLAPSED
        at_margin = self.margin is not None and abs(loss - self.margin) < _AT_MARGIN * self.margin
        if (collapsed or at_margin) and not self._warned:
            logger.warning(self._message(loss, mean_spread, collapsed, width))
        self._warned = collapsed or at_margin

    def _message(self, loss: float, mean_spread: float, collapsed: bool, width: int) -> str:
        figures = (
            f"over the last {self.window} steps the loss was {loss:.4g}"
            f"{'' if self.margin is None else f' (margin {self.margin:g})'}, the spread of the "
            f"embedding {mean_spread:.3f}, its effective rank {float(self.effective_rank):.1f} of "
            f"{width}"
        )
        if collapsed:
            return (
                f"the embedding has collapsed: {figures}. All images get nearly the same "
                "embedding, as happens with too high a learning rate or with the hardest "
                "negatives from the start. Lower the optimizer's lr, train on semi-hard triplets "
                "(main.sampler = @BalancedBatches, TripletNet.loss = @pml.TripletMarginLoss, "
                "TripletNet.miner = @SemiHard), or use a smaller margin."
            )
        return (
            f"the loss sits at the margin: {figures}. Positives are as far from their anchors as "
            "negatives are, so nothing is learned yet. Change the optimizer's lr (too high is "
            "likelier than too low), use a smaller margin of the loss, and check that "
            "FashionDataset.label_column is what the images show."
        )
