"""Seconds of training to 0.9033 on Fashion-MNIST, against the usual loop, in one run.

    python -m benchmarks.time_to_accuracy [--epochs 2] [--seeds 0 1 2] [--workers 0]

usual loop      CifarNet, 15 epochs: PIL images through torchvision transforms and a DataLoader,
                float32, batches of 128, Adam at 1e-3, a tenth of it from epoch 11 on. 0.9033 is
                what this recipe was published with. One seed.
ours            `experiment.py -c configs/fashion_mnist/fast.gin` with so many epochs, each seed a
                process of its own

Both train on 54,000 images, on the CPU, and are validated on the 6,000 others: the usual loop
after every epoch with the clock stopped, ours once with the clock running. The test images are
scored once, by the model of the last epoch. Prints seconds, accuracies and two ratios: against
all 15 epochs, the one to hold (at least 8), and against the first epoch whose validation accuracy
was 0.9033, which someone who stops in time would have needed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from fewshot.binding.config import load
from fewshot.data.dataset import FashionDataset
from fewshot.data.loading import load_data
from fewshot.encoders.cifar_net import CifarNet
from fewshot.studies.figures import figure
from fewshot.studies.runs import Run, complete

CONFIGS = Path(__file__).parents[1] / "configs"
TARGET = 0.9033
THEIR_EPOCHS = 15


class PILImages(Dataset):
    """A split as the usual loop reads it: one PIL image at a time, transformed."""

    def __init__(self, split: FashionDataset, transform: nn.Module) -> None:
        self.pixels = split.images(np.arange(len(split)))[:, 0].numpy()
        self.labels = split.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[row])), self.labels[row]


@dataclass(frozen=True)
class Timed:
    """Seconds of training to the end, and to the target on validation (None: never); test top-1."""

    seconds: float
    reached: float | None
    test: float


def usual_loop(workers: int) -> Timed:
    """The published recipe, as most people would write it."""
    load([str(CONFIGS / "data" / "fashion_mnist.gin")], [])
    data = load_data(None, 0.1, seed=0)
    (mean,), (std,) = data.train.statistics()
    transform = v2.Compose(
        [
            v2.Pad(2),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize([mean], [std]),
        ]
    )
    train, validation, test = (
        PILImages(split, transform) for split in (data.train, data.validation, data.test)
    )
    torch.manual_seed(0)
    encoder = CifarNet(in_channels=1, image_size=(32, 32))
    model = nn.Sequential(encoder, nn.Linear(encoder.num_features, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=10)
    loader = DataLoader(train, batch_size=128, shuffle=True, num_workers=workers)
    seconds, reached = 0.0, None
    for epoch in range(1, THEIR_EPOCHS + 1):
        started = time.perf_counter()
        model.train()
        for images, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(images), labels).backward()
            optimizer.step()
        schedule.step()
        seconds += time.perf_counter() - started
        found = accuracy(model, validation)
        print(f"usual loop  epoch {epoch:2d}  {seconds:6.0f} s  validation {found:.4f}", flush=True)
        if reached is None and found >= TARGET:
            reached = seconds
    return Timed(seconds, reached, accuracy(model, test))


@torch.inference_mode()
def accuracy(model: nn.Module, split: PILImages) -> float:
    """The share of the split's images that the model gets right."""
    model.eval()
    right = 0
    for images, labels in DataLoader(split, batch_size=500):
        right += int((model(images).argmax(1) == labels).sum())
    return right / len(split)


def ours(epochs: int, seed: int, place: Path) -> Timed:
    """One run of the config; validated at its end only."""
    bindings = [
        f"main.num_epochs = {epochs}",
        f"main.seed = {seed}",
        f"Trainer.validate_every = {epochs}",
        "Hardware.accelerator = 'cpu'",
    ]
    run = Run(f"fast-seed{seed}", [str(CONFIGS / "fashion_mnist" / "fast.gin")], bindings)
    folder = complete(run, place)
    seconds = figure(folder, "train_seconds")
    return Timed(seconds, seconds, figure(folder, "test/top1"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2, help="of fast.gin")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=0, help="of the usual loop's DataLoader")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        runs = [ours(arguments.epochs, seed, Path(place)) for seed in arguments.seeds]
    seconds = statistics.mean(run.seconds for run in runs)
    tests = [run.test for run in runs]
    print(
        f"ours        {seconds:6.1f} s, test {statistics.mean(tests):.4f} "
        f"(mean of {len(runs)} seeds: {', '.join(f'{test:.4f}' for test in tests)})",
        flush=True,
    )
    if statistics.mean(tests) < TARGET:
        sys.exit(f"ours did not reach {TARGET}: give it more --epochs")
    theirs = usual_loop(arguments.workers)
    print(f"usual loop  {theirs.seconds:6.1f} s, test {theirs.test:.4f}")
    if theirs.test < TARGET:
        print(f"the usual loop did not reach {TARGET}: its seconds are too few")
    stopped = "never" if theirs.reached is None else f"{theirs.reached / seconds:.1f}"
    print(
        f"ratio {theirs.seconds / seconds:.1f} (against its first epoch with {TARGET} on "
        f"validation: {stopped}), torch {torch.__version__}, {torch.get_num_threads()} threads"
    )


if __name__ == "__main__":
    main()
