"""Guards of speed that no clock is needed for: what a batch's augmentation asks of the device."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from fewshot.augmentation.colour import ColourJitter, GaussianBlur, RandomGrayscale
from fewshot.augmentation.erasing import Cutout, RandomErasing
from fewshot.augmentation.geometry import RandomAffine, RandomResizedCrop, RandomRotation
from fewshot.augmentation.transforms import HorizontalFlip, RandomCrop
from fewshot.seeding import KeyedRandom
from fewshot.training.watching import watched

# operations of one call, views not counted: each is a kernel, and its launch costs 5 to 10 us
MOST = {
    HorizontalFlip: 24,
    RandomCrop: 40,
    Cutout: 56,
    RandomErasing: 160,
    RandomGrayscale: 25,
    ColourJitter: 150,
    GaussianBlur: 68,
    RandomResizedCrop: 160,
    RandomRotation: 54,
    RandomAffine: 128,
}
_VIEWS = {"view", "_unsafe_view", "expand", "slice", "select", "unsqueeze", "squeeze", "permute"}
_VIEWS |= {"t", "transpose", "as_strided", "unfold", "split", "unbind", "detach", "alias"}


class Operations(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.names = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def arguments():
    images = torch.randint(0, 256, (8, 3, 24, 16), dtype=torch.uint8)
    keys = torch.stack([torch.full((8,), 1), torch.zeros(8).long(), torch.arange(8)], 1)
    return images, KeyedRandom(keys)


@pytest.mark.parametrize("kind", MOST, ids=lambda kind: kind.__name__)
def test_an_augmentation_is_a_bounded_number_of_operations(kind):
    transform = kind()
    transform(*arguments())  # tables are moved to the device at the first batch
    images, drawn = arguments()
    with Operations() as seen:
        transform(images, drawn)
    asked = sum(count for name, count in seen.names.items() if name not in _VIEWS)
    assert asked <= MOST[kind], seen.names.most_common()
    # a constant made on the host would be copied to a GPU, which waits for it
    assert seen.names["lift_fresh"] == 0


@pytest.mark.parametrize("kind", MOST, ids=lambda kind: kind.__name__)
def test_an_augmentation_can_be_recorded(kind):
    transform, reasons = kind(), []
    transform(*arguments())
    images, drawn = arguments()
    with watched(torch.nn.Identity(), torch.device("cpu"), reasons):
        transform(images, drawn)
    assert reasons == []
