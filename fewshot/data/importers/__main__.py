"""`python -m fewshot.data.importers fashion-mnist DIR [--source S] [--top N]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fewshot.console import exit_code, show
from fewshot.data.importers.cats_vs_dogs import CatsVsDogs
from fewshot.data.importers.cifar10 import Cifar10
from fewshot.data.importers.deep_fashion import DeepFashion
from fewshot.data.importers.fashion_mnist import FashionMNIST
from fewshot.data.importers.image_folder import ImageFolder

IMPORTERS = {
    "fashion-mnist": FashionMNIST,
    "image-folder": ImageFolder,
    "deep-fashion": DeepFashion,
    "cats-vs-dogs": CatsVsDogs,
    "cifar-10": Cifar10,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 when root_dir is made, 2 when the input is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m fewshot.data.importers",
        description="Bring images in another layout into this project's: a folder with styles.csv, "
        "its splits, and images or a list of them.",
    )
    parser.add_argument("layout", choices=IMPORTERS)
    parser.add_argument("directory", metavar="DIR", help="a new or empty folder, the root_dir")
    parser.add_argument(
        "--source", help="the folder to read (fashion-mnist is found or fetched without it)"
    )
    parser.add_argument("--top", type=int, metavar="N", help="frequent types, as create_splits.sh")
    parsed = parser.parse_args(arguments)
    return exit_code(lambda: _run(parsed))


def _run(parsed: argparse.Namespace) -> None:
    """Make root_dir, and print what to bind."""
    options = {} if parsed.top is None else {"top": parsed.top}
    IMPORTERS[parsed.layout](source=parsed.source, **options)(parsed.directory)
    directory = Path(parsed.directory).expanduser().absolute()
    show(f"FashionDataset.root_dir = '{directory}'")
    show(f"FashionDataset.csv_file = '{directory / 'train.csv'}'")
    if (directory / "validation.csv").is_file():
        show(f"validation/FashionDataset.csv_file = '{directory / 'validation.csv'}'")


if __name__ == "__main__":
    sys.exit(main())
