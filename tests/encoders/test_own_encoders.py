import pytest
import torch
from torch import nn

from fewshot.encoders.cats_dogs_net import CatsDogsNet
from fewshot.encoders.cifar_net import CifarNet
from fewshot.encoders.simple_cnn import SimpleCNN
from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError
from fewshot.objectives.classifiers import LinearClassifier, TwoLayerClassifier
from fewshot.training.dry_run import parameter_count

GREY = {"in_channels": 1, "image_size": (28, 28)}
COLOUR = {"in_channels": 3, "image_size": (64, 48)}


@pytest.mark.parametrize("sizes", [GREY, COLOUR], ids=["grey 28x28", "colour 64x48"])
@pytest.mark.parametrize("encoder", [CatsDogsNet, CifarNet, SimpleCNN, SmallResNet])
def test_forward_gives_as_many_features_as_promised(encoder, sizes):
    options = {"hidden": 64} if encoder is SimpleCNN else {}
    built = encoder(**sizes, **options).eval()
    features = built(torch.randn(2, sizes["in_channels"], *sizes["image_size"]))
    assert features.shape == (2, built.num_features)
    assert features.isfinite().all()


@pytest.mark.parametrize(
    ("encoder", "least"),
    [(CifarNet, 16), (SimpleCNN, 4), (CatsDogsNet, 8), (SmallResNet, 4)],
)
def test_the_least_size_passes_and_one_less_is_refused(encoder, least):
    built = encoder(in_channels=1, image_size=(least, least)).eval()
    assert built(torch.zeros(1, 1, least, least)).shape == (1, built.num_features)
    with pytest.raises(UserError, match=f"needs images of at least {least}x{least} pixels, not"):
        encoder(in_channels=1, image_size=(least, least - 1))


def with_classifier(encoder, classifier=LinearClassifier, classes=10):
    return parameter_count(nn.Sequential(encoder, classifier(encoder.num_features, classes)))[0]


def test_simple_cnn_has_the_parameters_of_its_source():
    assert with_classifier(SimpleCNN(**GREY)) == 16_841_802


def test_cifar_net_is_the_net_of_its_source():
    encoder = CifarNet(in_channels=1, image_size=(32, 32))
    convolutions = 25 * 64 + 25 * 64 * 64 + 2 * 128
    linear = 1600 * 384 + 384 + 384 * 192 + 192
    assert parameter_count(encoder)[0] == convolutions + linear
    assert (
        with_classifier(encoder, TwoLayerClassifier) == convolutions + linear + 193 * 192 + 193 * 10
    )
    kinds = [type(m) for m in encoder.modules() if not list(m.children())]
    assert kinds == [
        *(nn.Conv2d, nn.MaxPool2d, nn.BatchNorm2d),
        *(nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d),
        *(nn.Flatten, nn.Linear, nn.Dropout, nn.Linear, nn.Identity),
    ]


def test_cifar_nets_code_is_the_class_wide_layer():
    encoder = CifarNet(in_channels=1, image_size=(32, 32), code_size=10)
    assert encoder.num_features == 10
    assert parameter_count(encoder.code)[0] == 193 * 10


def test_simple_cnns_convolutions_are_xavier_uniform():
    weight = SimpleCNN(**GREY, hidden=8).conv2[0].weight
    bound = (6 / (9 * 32 + 9 * 64)) ** 0.5
    assert bound * 0.98 < weight.abs().max() <= bound


def test_cats_dogs_net_ends_in_the_map_its_source_states():
    encoder = CatsDogsNet(in_channels=3, image_size=(224, 224)).eval()
    assert encoder.stages(torch.zeros(1, 3, 224, 224)).shape == (1, 64, 28, 28)
    assert encoder.num_features == 64 * 28 * 28
    assert len(encoder.blocks()) == 3


def test_small_resnet_is_small():
    assert 100_000 < with_classifier(SmallResNet(**GREY)) < 350_000


def test_small_resnet_options():
    images = torch.randn(2, 1, 28, 28)
    encoder = SmallResNet(**GREY, widths=(16, 16, 32), depth=2, stem_pool=True).eval()
    assert len(encoder.blocks()) == 1 + 3 * 2
    maps = encoder.stages(encoder.stem(images))
    assert maps.shape == (2, 32, 4, 4)
    torch.testing.assert_close(encoder(images), maps.flatten(2).mean(2))
    peaks = SmallResNet(**GREY, widths=(16, 16, 32), depth=2, stem_pool=True, max_pool=True).eval()
    peaks.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(peaks(images), maps.flatten(2).max(2).values)


def test_small_resnet_pools_each_cell_of_a_grid():
    options = {"in_channels": 1, "image_size": (27, 18), "widths": (16, 32), "stem_pool": True}
    encoder = SmallResNet(**options, grid=(2, 1)).eval()
    images = torch.randn(2, 1, 27, 18)
    maps = encoder.stages(encoder.stem(images))
    assert maps.shape == (2, 32, 7, 5)
    # seven rows make two equal cells that share the row between them
    cells = torch.stack([maps[:, :, :4].mean((2, 3)), maps[:, :, 3:].mean((2, 3))], dim=2)
    torch.testing.assert_close(encoder(images), cells.flatten(1))
    assert encoder.num_features == 64


@pytest.mark.parametrize("grid", [(8, 5), (7, 6), (0, 1), (2,), 4, None, ("4", "3"), (2.5, 2)])
def test_a_grid_finer_than_the_last_map_is_refused(grid):
    options = {"in_channels": 1, "image_size": (27, 18), "widths": (16, 32), "stem_pool": True}
    with pytest.raises(
        UserError, match=r"grid is .* the last map of \(27, 18\) images is \(7, 5\)"
    ):
        SmallResNet(**options, grid=grid)


@pytest.mark.parametrize("options", [{"widths": ()}, {"depth": 0}, {"widths": (8, 0)}])
def test_small_resnet_without_stages_is_refused(options):
    with pytest.raises(UserError, match=r"SmallResNet\.widths is .* bind at least one stage"):
        SmallResNet(**GREY, **options)
