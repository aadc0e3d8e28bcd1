"""The rows of the benchmark of the card: nets, images and sizes of batch."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Case:
    """One row: images as packed, size of batch, what the config binds besides.

    view: (height, width) that a crop leaves, None for the images' own; optimizer, schedule: names.
    """

    name: str
    size: tuple[int, int]
    channels: int
    batch: int
    bindings: tuple[str, ...]
    view: tuple[int, int] | None = None
    optimizer: str = "torch.optim.SGD"
    schedule: str | None = None

    def bound(self) -> list[str]:
        """Every binding."""
        seen = (f"Inputs.size = {self.view}", f"RandomResizedCrop.size = {self.view}")
        return [*self.bindings, *(seen if self.view else ()), *RATES]

    def tiny(self) -> "Case":
        """The same on a few small images, to see whether it runs at all."""
        height, width = self.size
        size, view = (min(height, 32), min(width, 32)), (32, 24) if self.view else None
        return replace(self, size=size, batch=4, view=view)


RATES = (
    "torch.optim.SGD.lr = 0.01",
    "torch.optim.SGD.momentum = 0.9",
    "torch.optim.AdamW.weight_decay = 0.05",
    "torch.optim.lr_scheduler.OneCycleLR.max_lr = 5e-3",
    "RandomCrop.padding = 4",
)
CIFAR = "TransferNet.encoder = @CifarNet"
SMALL = "TransferNet.encoder = @SmallResNet"
CROP_FLIP = "Inputs.augment = [@RandomCrop, @HorizontalFlip]"
ERASING = "Inputs.augment = [@RandomCrop, @HorizontalFlip, @RandomErasing]"
STRONG = "Inputs.augment = [@RandomResizedCrop, @HorizontalFlip, @ColourJitter, @RandomErasing]"
RESIZED = "Inputs.augment = [@RandomResizedCrop, @HorizontalFlip]"
WIDE = (SMALL, "SmallResNet.widths = (64, 128, 256)", STRONG)
FAST = (
    SMALL,
    "Inputs.augment = [@HorizontalFlip]",
    "TransferNet.loss = @torch.nn.CrossEntropyLoss",
    "torch.nn.CrossEntropyLoss.label_smoothing = 0.1",
)
ADAMW, ONE_CYCLE = "torch.optim.AdamW", "torch.optim.lr_scheduler.OneCycleLR"


def torchvision(name: str, augment: str) -> tuple[str, ...]:
    """The bindings of an encoder that starts at random."""
    encoder = "TransferNet.encoder = @TorchvisionEncoder"
    return encoder, f"TorchvisionEncoder.name = '{name}'", augment


CASES = [
    Case("CifarNet, crop + flip", (32, 32), 1, 128, (CIFAR, CROP_FLIP)),
    Case("CifarNet, crop + flip", (32, 32), 1, 1024, (CIFAR, CROP_FLIP)),
    Case("CifarNet, crop + flip + erasing", (32, 32), 1, 1024, (CIFAR, ERASING)),
    Case("SmallResNet 64x48, strong", (64, 48), 3, 256, WIDE),
    Case("SmallResNet as fast.gin", (28, 28), 1, 64, FAST, None, ADAMW, ONE_CYCLE),
    Case("ResNet-18 64x64, crop + flip", (64, 64), 3, 256, torchvision("resnet18", CROP_FLIP)),
    Case("ResNet-50, 256 to 224", (256, 256), 3, 128, torchvision("resnet50", RESIZED), (224, 224)),
    Case("EfficientNet-B0, 256 to 224", (256, 256), 3, 128,
         torchvision("efficientnet_b0", RESIZED), (224, 224)),
]  # fmt: skip
