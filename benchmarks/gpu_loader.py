"""Images/s of the loop that most people write: PIL, torchvision's transforms, a DataLoader."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from benchmarks.gpu_steps import Bench
from fewshot.encoders.cifar_net import CifarNet
from fewshot.training.hardware import Hardware

_BEFORE = 20  # batches that are not timed, while workers start


class Photos(Dataset):  # type: ignore[type-arg]
    """Grey images of 32x32 in memory, as PIL images, cropped and flipped one at a time."""

    def __init__(self, count: int) -> None:
        from torchvision.transforms import v2

        self.pixels = np.random.default_rng(0).integers(0, 256, (count, 32, 32), dtype=np.uint8)
        self.transform = v2.Compose(
            [
                v2.RandomCrop(32, padding=4),
                v2.RandomHorizontalFlip(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize([0.5], [0.29]),
            ]
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[row])), row % 10


def usual_loop(bench: Bench, batch: int, workers: int, count: int) -> float:
    """CifarNet by SGD in the program's own precision; epochs of `count` images as long as told."""
    hardware = Hardware(accelerator=bench.device.type)
    encoder = CifarNet(in_channels=1, image_size=(32, 32))
    model = nn.Sequential(encoder, nn.Linear(encoder.num_features, 10)).to(hardware.device).train()
    model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    options: dict[str, Any] = {"num_workers": workers, "persistent_workers": workers > 0}
    pinned = bench.device.type == "cuda"
    loader: Any = DataLoader(
        Photos(count), batch, shuffle=True, drop_last=True, pin_memory=pinned, **options
    )
    started, done = 0.0, 0
    for number, (images, labels) in enumerate(_for_ever(loader)):
        if number == min(_BEFORE, len(loader)):
            bench.wait()
            started = time.perf_counter()
        if started and time.perf_counter() - started > bench.seconds and done:
            break
        images = images.to(hardware.device, non_blocking=True, memory_format=torch.channels_last)
        labels = labels.to(hardware.device, non_blocking=True)
        with hardware.fabric.autocast():
            loss = F.cross_entropy(model(images), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        done += batch if started else 0
    bench.wait()
    return done / (time.perf_counter() - started)


def _for_ever(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader
