import pytest
import torch
from torch import nn
from torchvision import models

from fewshot.encoders.efficientnet import EfficientNetB0
from fewshot.errors import UserError
from fewshot.training.dry_run import parameter_count

LARGE = {"in_channels": 3, "image_size": (224, 224)}
SMALL = {"in_channels": 3, "image_size": (64, 48)}


def test_all_blocks_and_the_head_are_the_whole_network():
    encoder = EfficientNetB0(**LARGE)
    whole = nn.Sequential(encoder, nn.Linear(encoder.num_features, 1000))
    assert parameter_count(whole)[0] == parameter_count(models.efficientnet_b0())[0] == 5_288_548
    assert len(encoder.kept) == 16


@pytest.mark.parametrize(("block", "side"), [(2, 56), (4, 28), (10, 14), (15, 7)])
def test_blocks_end_the_maps_that_the_source_states(block, side):
    images = torch.zeros(1, 3, 224, 224)
    encoder = EfficientNetB0(**LARGE, block_num=block, no_head=True).eval()
    with torch.no_grad():
        maps = encoder.kept(encoder.stem(images))
        assert maps.shape == (1, encoder.num_features, side, side)
        if block < 15:
            longer = EfficientNetB0(**LARGE, block_num=block + 1, no_head=True).eval()
            assert longer.kept(longer.stem(images)).shape[-1] == side // 2


@pytest.mark.parametrize("no_head", [False, True])
@pytest.mark.parametrize("block", [0, 1, 5, 8, 14, 15])
def test_every_cut_gives_its_features(block, no_head):
    encoder = EfficientNetB0(**SMALL, block_num=block, no_head=no_head).eval()
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 64, 48))
    assert features.shape == (1, encoder.num_features)
    assert no_head or encoder.num_features == 1280
    assert len(encoder.blocks()) == block + 3


def test_grey():
    encoder = EfficientNetB0(in_channels=1, image_size=(28, 28), block_num=4).eval()
    assert encoder(torch.zeros(2, 1, 28, 28)).shape == (2, 1280)


def test_published_weights_are_loaded(monkeypatch, tmp_path):
    state = models.efficientnet_b0().state_dict()
    (tmp_path / "checkpoints").mkdir()
    torch.save(state, tmp_path / "checkpoints" / "efficientnet_b0_rwightman-7f5810bc.pth")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    encoder = EfficientNetB0(**SMALL, block_num=1, pretrained="IMAGENET1K_V1")
    assert torch.equal(encoder.stem[0].weight, state["features.0.0.weight"])
    assert torch.equal(encoder.kept[1].block[0][0].weight, state["features.2.0.block.0.0.weight"])
    with pytest.raises(UserError, match=r"EfficientNetB0\.pretrained is 'V7', which"):
        EfficientNetB0(**SMALL, pretrained="V7")


@pytest.mark.parametrize("block", [-1, 16])
def test_a_block_out_of_range_is_named(block):
    with pytest.raises(UserError, match=rf"block_num is {block}: .* last block kept, 0 \.\. 15"):
        EfficientNetB0(**SMALL, block_num=block)
