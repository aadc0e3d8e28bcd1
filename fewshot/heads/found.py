"""What a search for neighbours found."""

from dataclasses import dataclass

import torch
from torch import Tensor

NO_ROW = torch.iinfo(torch.int64).max


@dataclass
class Nearest:
    """squared [Q, k] distances and rows int64 [Q, k] of the neighbours, nearest first;
    of_class [Q, C] and class_row [Q, C]: distance and row of each class's nearest reference.
    """

    squared: Tensor
    rows: Tensor
    of_class: Tensor
    class_row: Tensor

    def take(self, found: "Nearest") -> None:
        """Merge with what was found elsewhere."""
        k = self.squared.shape[1]
        squared, rows = (
            torch.cat(pair, 1) for pair in ((self.squared, found.squared), (self.rows, found.rows))
        )
        rows, order = rows.sort(1)
        squared, kept = squared.gather(1, order).sort(dim=1, stable=True)
        self.squared, self.rows = squared[:, :k], rows.gather(1, kept[:, :k])
        nearer = (found.of_class < self.of_class) | (
            (found.of_class == self.of_class) & (found.class_row < self.class_row)
        )
        self.of_class = torch.where(nearer, found.of_class, self.of_class)
        self.class_row = torch.where(nearer, found.class_row, self.class_row)
