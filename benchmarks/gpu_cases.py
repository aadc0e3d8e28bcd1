"""The rows of the benchmark of the card: nets, images and sizes of batch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One row: images as packed, what the config binds besides, size of batch."""

    name: str
    size: tuple[int, int]
    channels: int
    batch: int
    bindings: tuple[str, ...]


CROP_FLIP = "Inputs.augment = [@RandomCrop, @HorizontalFlip]"
STRONG = "Inputs.augment = [@RandomResizedCrop, @HorizontalFlip, @ColourJitter, @RandomErasing]"
LARGE = ("Inputs.augment = [@RandomResizedCrop, @HorizontalFlip]", "Inputs.size = (224, 224)",
         "RandomResizedCrop.size = (224, 224)")  # fmt: skip
CIFAR = "TransferNet.encoder = @CifarNet"
FAST = ("TransferNet.encoder = @SmallResNet", "Inputs.augment = @HorizontalFlip")
WIDE = ("TransferNet.encoder = @SmallResNet", "SmallResNet.widths = (64, 128, 256)", STRONG)


def torchvision(name: str) -> tuple[str, ...]:
    """The bindings of an encoder that starts at random."""
    return ("TransferNet.encoder = @TorchvisionEncoder", f"TorchvisionEncoder.name = '{name}'")


CASES = [
    Case("CifarNet, crop + flip", (32, 32), 1, 128, (CIFAR, CROP_FLIP)),
    Case("CifarNet, crop + flip", (32, 32), 1, 1024, (CIFAR, CROP_FLIP)),
    Case("SmallResNet, strong", (64, 48), 3, 256, WIDE),
    Case("SmallResNet as fast.gin, flip", (28, 28), 1, 64, FAST),
    Case("ResNet-18, crop + flip", (64, 64), 3, 256, (*torchvision("resnet18"), CROP_FLIP)),
    Case("ResNet-50, 256 to 224", (256, 256), 3, 128, (*torchvision("resnet50"), *LARGE)),
    Case("EfficientNet-B0, 256", (256, 256), 3, 128, (*torchvision("efficientnet_b0"), *LARGE)),
]  # fmt: skip
