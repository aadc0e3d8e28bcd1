import pytest
import torch

from fewshot.encoders.pixels import Pixels
from fewshot.errors import UserError


def test_features_are_block_means():
    images = torch.rand(2, 3, 40, 45)
    found = Pixels(in_channels=3, image_size=(40, 45), size=(20, 15))(images)
    assert found.shape == (2, 3 * 20 * 15)
    expected = images[1, 2, 6:8, 9:12].mean()
    torch.testing.assert_close(found.view(2, 3, 20, 15)[1, 2, 3, 3], expected)


def test_smaller_images_are_refused():
    with pytest.raises(UserError, match=r"Pixels needs images of at least 20x20 pixels"):
        Pixels(in_channels=1, image_size=(28, 14))
