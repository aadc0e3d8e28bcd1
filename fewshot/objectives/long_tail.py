"""A classification loss for classes of very different numbers of training rows."""

from collections.abc import Sequence

import gin
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.errors import UserError


@gin.register
class BalancedSoftmax(nn.Module):
    """Cross-entropy of scores that learn without how frequent a class is in the training rows.

    While training, tau * log(share of the class's rows) is added to the scores; without it, the
    trained model takes all classes for equally frequent. tau = 1 is balanced softmax
    (https://arxiv.org/abs/2007.10740), others are logit adjustment (https://arxiv.org/abs/2007.07314).
    Rare classes gain and frequent ones lose: the mean over classes rises, that over rows often
    falls. class_counts: training rows of each class, which the objective knows. Raises UserError
    for a negative tau and for a class without rows.
    """

    adjustment: Tensor

    def __init__(
        self, class_counts: Sequence[int], tau: float = 1.0, label_smoothing: float = 0.0
    ) -> None:
        super().__init__()
        if not tau >= 0 or not 0 <= label_smoothing < 1:
            raise UserError(
                f"BalancedSoftmax.tau is {tau} and label_smoothing {label_smoothing}: bind a tau "
                "of 0 or more, 1 for balanced softmax, and a smoothing in [0, 1)."
            )
        if len(class_counts) == 0 or min(class_counts) < 1:
            raise UserError(
                "BalancedSoftmax needs the number of training rows of every class: it is for "
                "labelled training rows and a classifier of their classes."
            )
        counts = torch.tensor(class_counts, dtype=torch.float64)
        adjustment = (tau * (counts / counts.sum()).log()).float()
        self.register_buffer("adjustment", adjustment, persistent=False)
        self.label_smoothing = label_smoothing

    def forward(self, scores: Tensor, targets: Tensor) -> Tensor:
        """Float [B, C], int64 [B] or shares float [B, C] -> the mean loss."""
        adjusted = scores + self.adjustment
        return F.cross_entropy(adjusted, targets, label_smoothing=self.label_smoothing)
