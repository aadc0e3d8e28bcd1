import time

import gin
import pytest
import torch
from torch import nn

from fewshot.data.dataset import FashionDataset
from fewshot.encoders.cifar_net import CifarNet
from fewshot.encoders.encoder import Encoder
from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError
from fewshot.models.building import build_classifier, build_encoder
from fewshot.models.stored import StoredPart
from fewshot.objectives.classifiers import LinearClassifier

CONSTRUCTED = []
SIZES = {"in_channels": 1, "image_size": (16, 16)}


@gin.register(module="tests.building")
class Trap:
    """Anything registered that is neither encoder nor classifier."""

    def __init__(self, *args, **options):
        CONSTRUCTED.append(options)


@gin.register(module="tests.building")
class Published(Encoder):
    """An encoder whose weights would be fetched."""

    initialisation = {"weights": None}  # noqa: RUF012

    def __init__(self, *, in_channels, image_size, weights=None, **others):
        super().__init__()
        self.weights = weights
        self.num_features = in_channels

    def forward(self, images):
        return images.mean((2, 3))


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


def encoder(name, arguments=None, **state):
    return build_encoder(StoredPart(name, arguments or {}, state), "a.mdl", **SIZES)


def test_a_rebuilt_encoder_ignores_todays_bindings():
    gin.parse_config("CifarNet.code_size = 3")
    rebuilt = encoder("CifarNet", {"code_size": 7})
    assert type(rebuilt).__name__ == "CifarNet"
    assert rebuilt.num_features == 7
    assert rebuilt.arguments == CifarNet(**SIZES, code_size=7).arguments


def test_a_rebuilt_encoder_fetches_no_weights():
    gin.parse_config("Published.weights = 'bound'")
    assert encoder("Published").weights is None
    with pytest.raises(UserError, match=r"Published of 'a\.mdl' was built with weights, which tod"):
        encoder("Published", {"weights": "http://elsewhere"})


def test_an_unregistered_encoder_is_named():
    with pytest.raises(UserError, match="needs the encoder Unregistered, which is not registered"):
        encoder("Unregistered")


@pytest.mark.parametrize(
    "name", ["Trap", "FashionDataset", "Trainer", "LinearClassifier", "Inputs", "macro", "main"]
)
def test_only_encoders_are_built_as_encoders(name):
    assert FashionDataset and LinearClassifier  # registered
    with pytest.raises(UserError, match=rf"{name}"):
        encoder(name, {"devices": 4})
    assert CONSTRUCTED == []


@pytest.mark.parametrize("name", ["Trap", "FashionDataset", "SmallResNet"])
def test_only_classifiers_are_built_as_classifiers(name):
    assert SmallResNet
    with pytest.raises(UserError, match=f"names {name} as its classifier, and that is none"):
        build_classifier(StoredPart(name, {}, {}), "a.mdl")
    assert CONSTRUCTED == []


def test_arguments_of_another_version_are_named():
    with pytest.raises(
        UserError, match=r"SmallResNet of 'a\.mdl' was built with dropout, which tod"
    ):
        encoder("SmallResNet", {"dropout": 0.1})


@pytest.mark.parametrize(
    "arguments",
    [
        {"widths": "wide"},
        {"widths": 64},
        {"widths": (32.5, 64)},
        {"depth": "1"},
        {"depth": True},
        {"depth": None},
        {"stem_pool": 1},
        {"grid": (1, 1, 1)},
        {"grid": {"rows": 1}},
    ],
)
def test_a_value_of_another_kind_is_refused_before_anything_is_built(arguments):
    (name,) = arguments
    with pytest.raises(UserError, match=rf"'a\.mdl' has {name} = .*: the file is damaged"):
        encoder("SmallResNet", arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"widths": (32, 2**30)},
        {"widths": (2**31, 2**31)},
        {"widths": (-3,)},
        {"widths": ()},
        {"widths": (8,) * 10_000},
        {"depth": 2**31},
        {"depth": 0},
        {"grid": (2**31, 1)},
    ],
)
def test_an_absurd_size_is_refused_soon(arguments):
    began = time.monotonic()
    with pytest.raises(UserError, match=r"of 'a\.mdl'"):
        encoder("SmallResNet", arguments, weight=torch.zeros(3))
    assert time.monotonic() - began < 10


def test_nothing_keeps_watch_once_a_part_is_built():
    encoder("SmallResNet")
    for _ in range(3):
        with pytest.raises(UserError):
            encoder("SmallResNet", {"depth": 2**31})
    nn.Sequential(*(nn.Identity() for _ in range(20_000)))
