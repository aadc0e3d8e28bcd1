"""Further label columns beside the one that is trained: a linear classifier and a weight each."""

import logging
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.batch import Column, DataSpec
from fewshot.errors import UserError
from fewshot.models.extras import extras_of
from fewshot.models.stored import StoredModel
from fewshot.wording import compared

logger = logging.getLogger("fewshot")

IGNORED = -1  # the label of a row whose column is blank


class AuxiliaryClassifiers(nn.Module):
    """Classifiers of further label columns on the same features (https://arxiv.org/abs/1707.08114).

    weights: {column: what its mean cross-entropy counts beside the loss}. Rows where a column is
    blank teach nothing of it. `class_names`: {column: its classes, sorted}, of the training rows.
    Raises UserError for a weight that is not above 0, and for a column without two classes.
    """

    def __init__(self, weights: Mapping[str, float], num_features: int, spec: DataSpec) -> None:
        super().__init__()
        self.weights = {compared(name): _checked(name, weight) for name, weight in weights.items()}
        columns = {name: _column(name, spec) for name in self.weights}
        self.class_names = {name: _classes(name, column) for name, column in columns.items()}
        self.linear = nn.ModuleDict(
            {
                _key(name): nn.Linear(num_features, len(names))
                for name, names in self.class_names.items()
            }
        )
        for number, column in enumerate(columns.values()):
            # by row of the training set, which a batch tells
            self.register_buffer(
                f"labels_{number}", torch.from_numpy(column.labels), persistent=False
            )

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """[B, num_features] -> {column: logits [B, its classes]}."""
        return {name: self.linear[_key(name)](features) for name in self.class_names}

    def targets(self, rows: Tensor) -> list[Tensor]:
        """Rows int64 [B] -> a float [B, classes] a column: 1 at its class, all 0 where blank."""
        found = []
        for number, names in enumerate(self.class_names.values()):
            labels = self.get_buffer(f"labels_{number}")[rows]
            shares = torch.zeros(len(rows), len(names), device=rows.device)
            known = (labels != IGNORED).unsqueeze(1)
            found.append(shares.scatter_(1, labels.clamp(min=0).unsqueeze(1), known.float()))
        return found

    def loss(self, features: Tensor, targets: Sequence[Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum over columns, and {"top1_<column>": share right of what is known}.

        targets: a column's shares of its classes, as `targets` gives them or a mixture of those.
        """
        total, logs = features.new_zeros(()), {}
        for (name, scores), shares in zip(self(features).items(), targets, strict=True):
            losses = F.cross_entropy(scores, shares, reduction="sum")
            total = total + self.weights[name] * losses / shares.sum().clamp(min=1)
            known = shares.sum(1) > 0
            right = (scores.detach().argmax(1) == shares.argmax(1)) & known
            logs[f"top1_{name}"] = right.sum() / known.sum().clamp(min=1)
        return total, logs

    def reuse(self, stored: StoredModel) -> None:
        """Take a saved model's classifiers of the same columns with the same classes (logged)."""
        known = extras_of(stored).columns
        for name, classes in self.class_names.items():
            layer = self.linear[_key(name)]
            prefix = f"auxiliary.linear.{_key(name)}."
            state = {key: stored.rest.get(prefix + key) for key in layer.state_dict()}
            kept = known.get(name) == classes and all(
                found is not None and found.shape == layer.get_parameter(key).shape
                for key, found in state.items()
            )
            if kept:
                layer.load_state_dict(state)
            logger.info("%s classifier of column '%s'", "the saved" if kept else "new", name)


def _key(name: str) -> str:
    """A column's name as that of a module, which holds no dot."""
    return name.replace(".", "_dot_")


def _checked(name: str, weight: float) -> float:
    if not (math.isfinite(weight) and weight > 0):
        raise UserError(
            f"the auxiliary column '{name}' has the weight {weight}: bind a number above 0, or "
            "leave the column out."
        )
    return float(weight)


def _column(name: str, spec: DataSpec) -> Column:
    if spec.column is None:
        raise UserError(f"the auxiliary column '{name}' needs training rows from a CSV.")
    return spec.column(name)


def _classes(name: str, column: Column) -> tuple[str, ...]:
    if len(column.class_names) < 2:
        found = f"only '{column.class_names[0]}'" if column.class_names else "nothing"
        raise UserError(
            f"the auxiliary column '{name}' says {found} in the training rows, which teaches "
            "nothing: leave it out."
        )
    return column.class_names
