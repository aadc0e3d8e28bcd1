"""Metric losses and miners of pytorch-metric-learning: built from bindings, applied to batches."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fewshot.errors import UserError
from fewshot.objectives.miners import SemiHard
from fewshot.objectives.semi_hard_loss import in_closed_form, semi_hard_loss
from fewshot.objectives.triplet_loss import TripletLoss


def loss_of_triplets(loss: nn.Module, embedding: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The mean loss over drawn triplets, embedding [3 T, D]: anchors, positives, negatives.

    Logs `active`, the share of triplets whose loss is not 0.
    """
    losses = loss(*embedding.chunk(3))
    return losses.mean(), {"active": (losses.detach() > 0).float().mean()}


def loss_of_labelled(
    loss: nn.Module, miner: nn.Module | None, embedding: Tensor, labels: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The loss over the pairs or triplets in a batch, those that a miner chose if there is one.

    A batch that holds nothing to compare is a loss of 0, unless the loss has proxies or a memory to
    compare with. Logs `hard_anchors`, see `hard_share`; `empty`, 1 for such a batch and 0 else, so
    that its mean is the share of them; and with a miner `mined`, the pairs or triplets it chose.
    """
    logs = {"hard_anchors": hard_share(embedding, labels)}
    if isinstance(miner, SemiHard) and in_closed_form(loss, miner, embedding):
        value, mined = semi_hard_loss(loss, miner, embedding, labels)
        logs["mined"] = torch.tensor(float(mined), device=embedding.device)
        logs["empty"] = torch.tensor(float(mined == 0), device=embedding.device)
        return value + embedding.sum() * 0, logs
    chosen = None if miner is None else _called("TripletNet.miner", miner, embedding, labels)
    if chosen is None:
        # Sorted labels have a pair alike, and a pair different, where neighbours are.
        steps = labels.sort().values.diff()
        some = (steps == 0).any() & (steps != 0).any()
    else:
        # Of pairs there are two lists each, alike and different; of triplets one list each.
        mined = len(chosen[0]) + (len(chosen[2]) if len(chosen) == 4 else 0)
        logs["mined"] = embedding.new_full((), mined, dtype=torch.float32)
        some = logs["mined"] > 0
    logs["empty"] = (~some).float()
    compares_beyond = [*loss.parameters(), *loss.buffers()]  # with proxies, or with a memory
    if not compares_beyond and not bool(some):
        return embedding.sum() * 0, logs
    value = _called("TripletNet.loss", loss, embedding, labels, chosen)
    # DynamicSoftMarginLoss keeps its histogram with the graph of the batch, which is freed.
    remember(loss, {k: v.detach() for k, v in remembered(loss).items() if isinstance(v, Tensor)})
    # Some losses are 0 without a graph, or of shape [1].
    return value.reshape(()) + embedding.sum() * 0, logs


def margin_at_collapse(loss: nn.Module) -> float | None:
    """The mean loss of triplets that are not told apart; None where that is no sign of a fault.

    The library's triplet loss averages over active triplets alone unless it is given a MeanReducer:
    of mined ones, a healthy embedding's are near the margin.
    """
    if isinstance(loss, TripletLoss):
        return loss.margin
    # A second to import, which a loss of the library has cost already.
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.reducers import MeanReducer

    if not isinstance(loss, TripletMarginLoss) or loss.smooth_loss:
        return None
    return float(loss.margin) if isinstance(loss.reducer, MeanReducer) else None


def remembered(loss: nn.Module) -> dict[str, Any]:
    """What a loss keeps from batch to batch outside of its state dict, by dotted name.

    The library's memory keeps its place in the queue, and its dynamic margin a histogram, in plain
    attributes; those that are settings are equal in a loss built alike.
    """
    return {
        f"{name}.{key}" if name else key: value
        for name, module in loss.named_modules()
        for key, value in vars(module).items()
        # numpy's numbers are floats, too, but a checkpoint must hold no object of a library
        if (type(value) in (bool, int, float) or isinstance(value, Tensor)) and key != "training"
    }


def remember(loss: nn.Module, state: Mapping[str, Any]) -> None:
    """Take back what `remembered` gave, into a loss built alike."""
    for path, value in state.items():
        name, _, key = path.rpartition(".")
        setattr(loss.get_submodule(name), key, value)


def _called(binding: str, part: nn.Module, *arguments: Any) -> Any:
    """What a loss or miner gives; UserError where the library refuses the combination."""
    try:
        return part(*arguments)
    except (TypeError, ValueError, AssertionError, NotImplementedError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"{binding} ({type(part).__name__}) cannot be computed here: {reason[0]}. Bind another "
            "TripletNet.loss, or another TripletNet.miner or None with this one."
        ) from error


@torch.no_grad()
def hard_share(embedding: Tensor, labels: Tensor) -> Tensor:
    """Share of anchors whose farthest positive is not nearer than their nearest negative.

    embedding: [B, D]; labels: int64 [B]; counted are rows with a positive and a negative in the
    batch; 0 where there is none.
    """
    distance = torch.cdist(embedding, embedding)
    alike = labels[:, None] == labels
    positive = alike & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    farthest = distance.masked_fill(~positive, -torch.inf).amax(1)
    nearest = distance.masked_fill(alike, torch.inf).amin(1)
    counted = farthest.isfinite() & nearest.isfinite()
    return (counted & (farthest >= nearest)).sum() / counted.sum().clamp(min=1)
