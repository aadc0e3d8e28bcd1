"""Test rows whose image was trained on."""

import gin
import numpy as np

from fewshot.batch import IntArray
from fewshot.data.dataset import FashionDataset
from fewshot.errors import UserError


@gin.register
class DropTwins:
    """Leaves out test rows whose image is, pixel for pixel, that of a row of the training CSV.

    Pixels are compared as the run sees them, at FashionDataset.image_size; ids and labels play no
    part. All rows of the training CSV count, whichever are selected or set apart for validation, so
    that experiments on few labels are tested on the same rows.
    """

    def __call__(self, test: FashionDataset, train: FashionDataset) -> IntArray:
        """Indices of the test rows kept, int64, ascending; raises UserError if none is."""
        kept = np.flatnonzero(~np.isin(test.image_digests(), train.image_digests()))
        if len(kept) == 0:
            raise UserError(
                f"DropTwins leaves no test row: the images of all {len(test)} are in the training "
                "CSV too. Bind another test/FashionDataset.csv_file, or main.test_rows = None."
            )
        return kept
