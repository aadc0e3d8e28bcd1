"""Bring images in another layout into this project's: styles.csv, split CSVs, images.

A folder per class, idx files, the DeepFashion category benchmark, CIFAR-10, cats-vs-dogs names.
"""

import argparse
import importlib
from pathlib import Path

from fewshot.console import show

_LAYOUTS = {
    "fashion-mnist": "fashion_mnist.FashionMNIST",
    "image-folder": "image_folder.ImageFolder",
    "deep-fashion": "deep_fashion.DeepFashion",
    "cats-vs-dogs": "cats_vs_dogs.CatsVsDogs",
    "cifar-10": "cifar10.Cifar10",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The layout, where to write, what to read."""
    parser.add_argument("layout", choices=_LAYOUTS)
    parser.add_argument("directory", metavar="DIR", help="a new or empty folder, the root_dir")
    parser.add_argument(
        "--source", help="the folder to read (fashion-mnist is found or fetched without it)"
    )
    parser.add_argument("--top", type=int, metavar="N", help="frequent types, as create_splits.sh")


def run(given: argparse.Namespace) -> None:
    """Make root_dir, and print what to bind."""
    module, _, name = _LAYOUTS[given.layout].partition(".")
    importer = getattr(importlib.import_module(f"fewshot.data.importers.{module}"), name)
    options = {} if given.top is None else {"top": given.top}
    importer(source=given.source, **options)(given.directory)
    directory = Path(given.directory).expanduser().absolute()
    show(f"FashionDataset.root_dir = '{directory}'")
    show(f"FashionDataset.csv_file = '{directory / 'train.csv'}'")
    if (directory / "validation.csv").is_file():
        show(f"validation/FashionDataset.csv_file = '{directory / 'validation.csv'}'")
