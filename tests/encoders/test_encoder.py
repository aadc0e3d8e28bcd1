import gin
import pytest
import torch
from torch import Tensor, nn

from fewshot.encoders.encoder import Encoder
from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError


@gin.register(module="tests.encoder")
class Parent(Encoder):
    def __init__(self, *, in_channels, image_size, width=3, **others):
        super().__init__()
        self.layer = nn.Linear(in_channels, width)
        self.num_features = width

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.mean((2, 3)))


@gin.register(module="tests.encoder")
class Child(Parent):
    def __init__(self, *, in_channels, image_size, extra=(1, [2, {"three": None}])):
        super().__init__(in_channels=in_channels, image_size=image_size, width=5)


@gin.register(module="tests.encoder")
class Seeded(Parent):
    initialisation = {"weights": None}  # noqa: RUF012

    def __init__(self, *, in_channels, image_size, weights="some"):
        super().__init__(in_channels=in_channels, image_size=image_size)
        self.weights = weights


class Unregistered(Parent):
    pass


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


def test_defaults_and_gin_bindings_are_recorded():
    gin.parse_config("SmallResNet.widths = (16, 32)")
    encoder = gin.get_configurable("SmallResNet")(in_channels=1, image_size=(8, 8))
    assert type(encoder) is SmallResNet
    assert encoder.name == "SmallResNet"
    assert encoder.arguments == {
        "in_channels": 1,
        "image_size": (8, 8),
        "widths": (16, 32),
        "depth": 1,
        "stem_pool": False,
        "max_pool": False,
        "grid": (1, 1),
    }


def test_the_class_that_was_asked_for_is_recorded_not_its_parent():
    child = Child(in_channels=3, image_size=torch.Size([4, 4]))
    assert (child.name, child.num_features) == ("Child", 5)
    assert child.arguments == {
        "in_channels": 3,
        "image_size": (4, 4),
        "extra": (1, (2, {"three": None})),
    }
    assert type(child.arguments["image_size"]) is tuple


def test_extra_keywords_are_recorded_by_their_own_names():
    parent = Parent(in_channels=3, image_size=(4, 4), depth=2)
    assert parent.arguments == {"in_channels": 3, "image_size": (4, 4), "width": 3, "depth": 2}


def test_an_argument_that_no_file_can_hold_is_named():
    with pytest.raises(UserError, match=r"Child\.extra is <class.*Linear.*which a saved model"):
        Child(in_channels=1, image_size=(4, 4), extra=(nn.Linear,))
