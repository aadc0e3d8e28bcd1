"""Does a Fashion-MNIST model know real product photos, and what does turning them help?

    python -m benchmarks.photos_on_black experiments/NAME/model.mdl data/fashion-products

All photos of Fashion Product Images whose type is one of Fashion-MNIST's ten classes (TYPES; ankle
boots have no type there, so they are the shoes with "boot" in their name) are classified four ways:

resized         made grey and resized to 28x28, as a data set of that size would be read
inverted        the same, inverted: items before white come on black
cut out         the item alone on black, filling the square, as `on_black` does
wearer left out and without the person who wears it: what the demo does

The conversion was tuned on even ids; odd ids, the default, are the figure. Prints accuracies with
95 % Wilson intervals.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from scipy.stats import binomtest
from tqdm import tqdm

from fewshot.data.images.on_black import SIDE, on_black, photo_on_black
from fewshot.data.images.photo import open_photo
from fewshot.data.images.plain_background import UInt8Array, item_mask
from fewshot.data.tables.table import read_table
from fewshot.models.load import load

TYPES = {
    "T-shirt/top": ("Tshirts", "Tops"),
    "Trouser": ("Trousers", "Jeans"),
    "Pullover": ("Sweaters", "Sweatshirts"),
    "Dress": ("Dresses",),
    "Coat": ("Jackets",),
    "Sandal": ("Sandals", "Flip Flops", "Sports Sandals"),
    "Shirt": ("Shirts",),
    "Sneaker": ("Sports Shoes", "Casual Shoes"),
    "Bag": ("Handbags",),
}
BOOT, BOOT_TYPES = "Ankle boot", ("Casual Shoes", "Sports Shoes", "Formal Shoes", "Flats", "Heels")


def _resized(rgb: UInt8Array) -> UInt8Array:
    grey = Image.fromarray(rgb).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3.0))


WAYS: dict[str, Callable[[UInt8Array], UInt8Array]] = {
    "resized": _resized,
    "inverted": lambda rgb: 255 - _resized(rgb),
    "cut out": lambda rgb: on_black(rgb, item_mask(rgb)),
    "wearer left out": photo_on_black,
}


def photos(root: Path, odd: bool) -> pd.DataFrame:
    """id, class and path of the photos that have one of the ten classes."""
    table = read_table(root / "styles.csv")
    table = table[table["id"].astype(int) % 2 == int(odd)]
    known = {name: label for label, names in TYPES.items() for name in names}
    table["class"] = table["articleType"].map(known)
    boot = table["productDisplayName"].str.contains(r"\bboots?\b", case=False, na=False)
    table.loc[boot & table["articleType"].isin(BOOT_TYPES), "class"] = BOOT
    table["path"] = [root / "images" / f"{image_id}.jpg" for image_id in table["id"]]
    table = table[table["class"].notna() & table["path"].map(Path.is_file)]
    return table[["id", "class", "path"]].reset_index(drop=True)


def images(paths: list[Path]) -> dict[str, UInt8Array]:
    """uint8 [n, 28, 28] of each way."""
    made: dict[str, list[UInt8Array]] = {way: [] for way in WAYS}
    for path in tqdm(paths, desc="photos"):
        with open_photo(path) as photo:
            rgb = np.asarray(photo.convert("RGB"), np.uint8)
        for way, turn in WAYS.items():
            made[way].append(turn(rgb))
    return {way: np.stack(each) for way, each in made.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--ids", choices=("odd", "even"), default="odd")
    given = parser.parse_args()
    model = load(given.model)
    listed = photos(given.root, given.ids == "odd")
    truth = listed["class"].to_numpy()
    rows = {"n": listed["class"].value_counts().sort_index().astype(str)}
    for way, pixels in images(list(listed["path"])).items():
        with torch.inference_mode():
            blocks = torch.from_numpy(pixels[:, None]).split(512)
            best = torch.cat([model.scores(block).argmax(1) for block in blocks]).numpy()
        right = pd.Series(np.array(model.class_names)[best] == truth)
        share = right.groupby(truth).mean()
        low, high = binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
        rows[way] = share.map("{:.3f}".format)
        rows[way]["all"] = f"{right.mean():.4f} ({low:.4f} to {high:.4f})"
        rows[way]["mean of classes"] = f"{share.mean():.4f}"
    rows["n"]["all"] = str(len(truth))
    print(pd.DataFrame(rows).fillna("").to_string())


if __name__ == "__main__":
    main()
