import numpy as np
import pytest
from PIL import Image

from fewshot.data.dataset import FashionDataset
from fewshot.data.twins import DropTwins
from fewshot.errors import UserError


def dataset(root, csv):
    return FashionDataset(csv_file=root / csv, root_dir=root, image_size=(8, 6))


def copy_image(root, source, target):
    with Image.open(root / "images" / f"{source}.png") as image:
        image.save(root / "images" / f"{target}.png", compress_level=1)


def test_test_rows_with_the_pixels_of_a_training_row_are_left_out(make_images):
    root = make_images({"a": "Bag", "b": "Hat", "c": "Hat"})
    make_images({"d": "Bag", "e": "Bag", "f": "Hat", "g": "Hat"}, csv="test.csv")
    copy_image(root, "b", "e")  # another file of the same pixels, under another label
    copy_image(root, "f", "g")  # twins within the test split stay
    train, test = dataset(root, "train.csv"), dataset(root, "test.csv")
    kept = DropTwins()(test, train)
    assert kept.tolist() == [0, 2, 3]
    assert kept.dtype == np.int64
    changed = np.asarray(Image.open(root / "images" / "b.png")).copy()
    changed[0, 0, 0] ^= 1
    Image.fromarray(changed).save(root / "images" / "e.png")
    assert DropTwins()(dataset(root, "test.csv"), train).tolist() == [0, 1, 2, 3]


def test_no_row_left_is_refused(make_images):
    root = make_images({"a": "Bag", "b": "Hat"})
    whole = dataset(root, "train.csv")
    with pytest.raises(UserError) as error:
        DropTwins()(whole.subset([1]), whole)
    assert str(error.value) == (
        "DropTwins leaves no test row: the images of all 1 are in the training CSV too. "
        "Bind another test/FashionDataset.csv_file, or main.test_rows = None."
    )
