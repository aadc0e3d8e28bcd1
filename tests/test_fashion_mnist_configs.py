"""The recipes of configs/fashion_mnist: their models are those the figures were published with."""

import gin
import pytest

from fewshot.batch import DataSpec
from fewshot.binding import config
from fewshot.training.dry_run import parameter_count

SPEC = DataSpec(tuple("abcdefghij"), 1, (28, 28), (0.29,), (0.35,), rows=54_000)


def objective(name, *bindings):
    config.load([f"configs/fashion_mnist/{name}.gin"], list(bindings))
    return gin.get_bindings("main")["objective"](SPEC)


@pytest.mark.parametrize(
    ("name", "parameters", "transforms"),
    [
        ("simple_cnn", 16_841_802, ["HorizontalFlip"]),
        ("simple_cnn_erasing", 16_841_802, ["RandomCrop", "HorizontalFlip", "RandomErasing"]),
        ("resnet18", 11_181_642, ["HorizontalFlip"]),
        ("resnet18_erasing", 11_181_642, ["RandomCrop", "HorizontalFlip", "RandomErasing"]),
    ],
)
def test_published_recipes(name, parameters, transforms):
    built = objective(name)
    assert parameter_count(built) == (parameters, parameters)
    assert [type(transform).__name__ for transform in built.inputs.transforms] == transforms
    assert gin.get_bindings("main")["num_epochs"] == 300
    assert gin.get_bindings("Classification") == {"include_train": True}
    assert gin.get_bindings("torch.optim.SGD") == {"lr": 0.015, "momentum": 0.9, "nesterov": True}


def test_the_fast_recipe_keeps_to_its_size_and_epochs():
    assert parameter_count(objective("fast"))[0] <= 350_000
    assert gin.get_bindings("main")["num_epochs"] <= 7
