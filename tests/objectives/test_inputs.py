import gin
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.batch import DataSpec
from fewshot.errors import UserError
from fewshot.objectives.inputs import Inputs
from fewshot.seeding import KeyedRandom

GREY = DataSpec(("a", "b"), 1, (28, 28), (0.25,), (0.5,), 10)
COLOUR = DataSpec(("a", "b"), 3, (8, 6), (0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 10)


def pixels(channels, height, width, count=3):
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8)


def test_normalising_is_the_definition():
    images = pixels(3, 8, 6)
    seen = Inputs(COLOUR).normalise(images)
    mean, std = np.array(COLOUR.mean), np.array(COLOUR.std)
    wanted = (images.permute(0, 2, 3, 1).numpy() / 255 - mean) / std
    np.testing.assert_allclose(seen.permute(0, 2, 3, 1).numpy(), wanted, atol=1e-6)
    assert seen.dtype == torch.float32
    assert seen.is_contiguous(memory_format=torch.channels_last)


def test_float_images_are_on_the_same_scale_and_are_left_alone():
    inputs, images = Inputs(COLOUR), pixels(3, 8, 6)
    floats = images.float()
    before = floats.clone()
    assert torch.equal(inputs.normalise(floats), inputs.normalise(images))
    assert torch.equal(floats, before)


def test_denormalising_undoes_it():
    images = pixels(3, 8, 6)
    inputs = Inputs(COLOUR)
    back = inputs.denormalise(inputs.normalise(images))
    torch.testing.assert_close(back, images / 255)


def test_nothing_but_parameters_goes_into_the_state():
    assert Inputs(COLOUR).state_dict() == {}


@settings(max_examples=25)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 5))
def test_larger_images_are_cropped_and_smaller_ones_padded_about_the_centre(h, w, height, width):
    spec = DataSpec((), 1, (height, width), (0.0,), (1 / 255,), 10)
    seen = Inputs(spec).normalise(torch.full((1, 1, h, w), 7, dtype=torch.uint8))
    top, left = abs(h - height) // 2, abs(w - width) // 2
    rows = slice(top, top + h) if h < height else slice(None)
    columns = slice(left, left + w) if w < width else slice(None)
    wanted = torch.zeros(1, 1, height, width)
    wanted[..., rows, columns] = 7
    torch.testing.assert_close(seen, wanted)


def test_the_crop_is_the_centre():
    images = torch.arange(36, dtype=torch.uint8).view(1, 1, 6, 6)
    spec = DataSpec((), 1, (6, 6), (0.0,), (1 / 255,), 10)
    seen = Inputs(spec, size=(2, 4)).normalise(images)
    torch.testing.assert_close(seen, images[:, :, 2:4, 1:5].float())


def test_grey_becomes_rgb_by_replication_with_imagenet_statistics():
    inputs = Inputs(GREY, channels=3, mean="imagenet", std="imagenet")
    images = pixels(1, 28, 28)
    seen = inputs.normalise(images)
    for channel, (mean, std) in enumerate(
        zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)
    ):
        torch.testing.assert_close(seen[:, channel], (images[:, 0] / 255 - mean) / std)


def test_grey_statistics_are_replicated_too():
    inputs = Inputs(GREY, channels=3)
    assert inputs.mean == (0.25, 0.25, 0.25)
    assert inputs.std == (0.5, 0.5, 0.5)


def test_rgb_becomes_luminance():
    inputs = Inputs(COLOUR, channels=1)
    images = pixels(3, 8, 6)
    red, green, blue = (images[:, i] / 255 for i in range(3))
    mean = 0.299 * 0.1 + 0.587 * 0.2 + 0.114 * 0.3
    std = 0.299 * 0.4 + 0.587 * 0.5 + 0.114 * 0.6
    wanted = (0.299 * red + 0.587 * green + 0.114 * blue - mean) / std
    torch.testing.assert_close(inputs.normalise(images)[:, 0], wanted)


def test_a_constant_channel_does_not_divide_by_zero():
    spec = DataSpec((), 1, (4, 4), (0.0,), (0.0,), 10)
    assert Inputs(spec).normalise(torch.zeros(1, 1, 4, 4, dtype=torch.uint8)).isfinite().all()


class Add:
    def __init__(self, amount):
        self.amount = amount

    def __call__(self, images, random):
        return images + self.amount + random.integers(1000).view(-1, 1, 1, 1)


def test_augmentations_apply_in_order_each_with_its_own_stream():
    keys = torch.tensor([[0, 1, 2], [0, 1, 3]])
    images = torch.zeros(2, 1, 28, 28)
    inputs = Inputs(GREY, augment=[lambda: Add(1), lambda: lambda images, random: images * 2])
    draws = KeyedRandom(keys).fold(0).integers(1000)
    assert torch.equal(inputs.augment(images, keys)[:, 0, 0, 0], (1.0 + draws) * 2)
    assert torch.equal(inputs.augment(images[1:], keys[1:]), inputs.augment(images, keys)[1:])
    second = Inputs(GREY, augment=[lambda: lambda images, random: images, lambda: Add(0)])
    assert not torch.equal(second.augment(images, keys)[:, 0, 0, 0], draws.float())


def test_one_augmentation_needs_no_list_and_none_changes_nothing():
    keys = torch.zeros(1, 3, dtype=torch.int64)
    images = pixels(1, 28, 28, count=1)
    assert len(Inputs(GREY, augment=lambda: Add(1)).transforms) == 1
    assert Inputs(GREY).augment(images, keys) is images


def test_bindings_reach_it():
    gin.parse_config("Inputs.size = (32, 32)\nInputs.channels = 3")
    inputs = gin.get_configurable("Inputs")(GREY)
    gin.clear_config()
    assert (inputs.size, inputs.channels) == ((32, 32), 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 32}, r"Inputs\.size is 32: it is a \(height, width\) pair"),
        (
            {"size": (57, 28)},
            r"images are \(28, 28\), so that .* bind FashionDataset.image_size",
        ),
        ({"channels": 2}, r"Inputs\.channels is 2, but the images have 1"),
        ({"mean": (0.1, 0.2)}, r"Inputs\.mean is \(0\.1, 0\.2\): bind 'imagenet' or 1 number"),
        ({"std": "mine"}, r"Inputs\.std is 'mine': bind 'imagenet'"),
        ({"std": (0.0,)}, r"Inputs\.std is \(0\.0,\): every value must be above 0"),
    ],
)
def test_what_cannot_fit_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        Inputs(GREY, **options)


def test_images_of_unexpected_channels_are_refused():
    with pytest.raises(UserError, match=r"have 3 channels.*FashionDataset\.channels = 4"):
        spec = DataSpec((), 4, (8, 8), (0.0,) * 4, (1.0,) * 4, 10)
        Inputs(spec).normalise(pixels(3, 8, 8))


class Halved:
    """A transform that changes the size."""

    def __call__(self, images, random):
        return images[..., ::2, ::2]


def test_an_augmentation_to_another_size_than_the_encoders_is_refused_by_name():
    keys = torch.zeros(3, 1, dtype=torch.int64)
    images = torch.zeros(3, 1, 8, 8)
    inputs = Inputs(DataSpec((), 1, (8, 8), (0.5,), (0.25,), 3), augment=Halved)
    with pytest.raises(UserError) as error:
        inputs.augment(images, keys)
    assert "Inputs.augment (Halved) makes images of (4, 4) out of (8, 8)" in str(error.value)
    assert "but the encoder sees (8, 8): bind the transform's size to (8, 8)" in str(error.value)
    fitting = Inputs(DataSpec((), 1, (8, 8), (0.5,), (0.25,), 3), augment=Halved, size=(4, 4))
    assert fitting.augment(images, keys).shape == (3, 1, 4, 4)


def test_stored_images_are_still_cropped_at_the_centre():
    inputs = Inputs(
        DataSpec((), 1, (8, 8), (0.0,), (1.0,), 3), augment=lambda: lambda x, _: x, size=(6, 6)
    )
    images = torch.arange(64.0).view(1, 1, 8, 8)
    seen = inputs.augment(images, torch.zeros(1, 1, dtype=torch.int64))
    torch.testing.assert_close(inputs.normalise(seen) * 255, images[..., 1:7, 1:7])


def test_grey_made_of_colour_has_the_spread_of_its_luminance():
    pixels = torch.randint(0, 256, (20, 3, 6, 6), dtype=torch.uint8)
    flat = pixels.transpose(0, 1).flatten(1).double() / 255
    covariance = tuple(tuple(row) for row in torch.cov(flat, correction=0).tolist())
    means, stds = (tuple(f(1).tolist()) for f in (flat.mean, lambda d: flat.std(d, correction=0)))
    spec = DataSpec((), 3, (6, 6), means, stds, 20, covariance=covariance)
    seen = Inputs(spec, channels=1).normalise(pixels)
    assert float(seen.mean()) == pytest.approx(0, abs=1e-4)
    assert float(seen.std(correction=0)) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("augment", ["flip", 3, ["flip"], {"flip": 1}])
def test_what_is_no_transform_is_refused(augment):
    with pytest.raises(UserError, match=r"Inputs\.augment is .*: bind transforms without paren"):
        Inputs(DataSpec((), 1, (8, 8), (0.5,), (0.25,), 3), augment=augment)
