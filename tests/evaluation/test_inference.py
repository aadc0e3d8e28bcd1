import numpy as np
import pytest
import torch

from fewshot.errors import UserError
from fewshot.evaluation.inference import embed, score
from tests.evaluation.fakes import PixelClassifier, PixelObjective, random_dataset


@pytest.mark.parametrize("chunk", [1, 7, 60, 512])
def test_every_row_once_in_order_whatever_the_chunk(chunk):
    dataset = random_dataset(60)
    found = embed(PixelObjective(), dataset, chunk)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, dataset.images(np.arange(60)).flatten(1).float())


def test_chosen_rows_in_their_order():
    dataset = random_dataset(20)
    rows = np.array([7, 3, 11])
    found = score(PixelClassifier("ab"), dataset, 2, rows)
    torch.testing.assert_close(found, dataset.images(rows).flatten(1)[:, :2].float())


def test_half_precision_comes_back_as_float32():
    class Half(PixelObjective):
        def embed(self, images):
            return super().embed(images).bfloat16()

    assert embed(Half(), random_dataset(4)).dtype == torch.float32


def test_an_objective_without_scores_is_refused():
    with pytest.raises(UserError) as error:
        score(PixelObjective(), random_dataset(3))
    assert str(error.value) == (
        "PixelObjective gives embeddings but no class scores: evaluate it with KNNClassification "
        "in place of Classification."
    )


def test_a_diverged_model_is_named():
    class Diverged(PixelObjective):
        def embed(self, images):
            return super().embed(images).index_fill(0, torch.tensor([1]), torch.nan)

    with pytest.raises(UserError) as error:
        embed(Diverged(), random_dataset(9), chunk=3)
    assert str(error.value) == (
        "embedding: 3 of 9 outputs are not finite. Where the model was trained just now, lower the "
        "learning rate or clip the gradients; else look at Inputs.mean and Inputs.std, and at the "
        "weights that it was loaded from."
    )


def test_no_rows():
    with pytest.raises(UserError, match="embedding: the dataset has no rows"):
        embed(PixelObjective(), random_dataset(5), rows=np.array([], dtype=np.int64))
