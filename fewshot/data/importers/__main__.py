"""`python -m fewshot.data.importers fashion-mnist DIR [--source S] [--top N]`."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from fewshot.data.importers.cats_vs_dogs import CatsVsDogs
from fewshot.data.importers.cifar10 import Cifar10
from fewshot.data.importers.deep_fashion import DeepFashion
from fewshot.data.importers.fashion_mnist import FashionMNIST
from fewshot.data.importers.image_folder import ImageFolder
from fewshot.errors import UserError

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
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    options = {} if parsed.top is None else {"top": parsed.top}
    try:
        IMPORTERS[parsed.layout](source=parsed.source, **options)(parsed.directory)
    except UserError as error:
        print(f"importers: {error}", file=sys.stderr)
        return 2
    directory = Path(parsed.directory).expanduser().absolute()
    print(f"FashionDataset.root_dir = '{directory}'")
    print(f"FashionDataset.csv_file = '{directory / 'train.csv'}'")
    return 0


if __name__ == "__main__":
    sys.exit(main())
