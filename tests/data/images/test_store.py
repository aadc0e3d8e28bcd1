import os

import numpy as np
import pytest
from PIL import Image

from fewshot.data.images.decode import ImageFormat, convert
from fewshot.data.images.store import ArrayImages, FolderImages, ListedImages, open_store
from fewshot.errors import UserError

RGB = ImageFormat((8, 6), 3, "stretch")


def save(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (6, 8), (value,) * 3).save(path)


def save_array(root, array, ids=None):
    np.save(root / "images.npy", array)
    ids = [str(i) for i in range(len(array))] if ids is None else ids
    (root / "images_ids.txt").write_text("".join(f"{i}\n" for i in ids))


def test_missing_root_is_named(tmp_path):
    with pytest.raises(UserError, match=r"root_dir .*/nowhere does not exist: bind the folder"):
        open_store(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"root_dir .*/file is not a folder"):
        open_store(tmp_path / "file")


def test_root_without_images_says_what_is_expected(tmp_path):
    with pytest.raises(UserError) as caught:
        open_store(tmp_path)
    assert f"has no folder images/: images are expected at {tmp_path}/images/<id>.jpg" in str(
        caught.value
    )


def test_images_folder_comes_before_list_and_array(tmp_path):
    save_array(tmp_path, np.zeros((1, 8, 6), np.uint8))
    assert isinstance(open_store(tmp_path), ArrayImages)
    (tmp_path / "images.csv").write_text("id,path\n")
    assert isinstance(open_store(tmp_path), ListedImages)
    (tmp_path / "images").mkdir()
    assert isinstance(open_store(tmp_path), FolderImages)


def test_folder_finds_the_three_suffixes_in_order(tmp_path):
    for number, name in enumerate(["1.jpg", "2.png", "3.jpeg", "4.png", "4.jpeg", "5.JPG"]):
        save(tmp_path / "images" / name, 10 * number)
    (tmp_path / "images/6.gif").touch()
    (tmp_path / "images/7.jpg").mkdir()
    store = open_store(tmp_path)
    found = store.find(["1", "2", "3", "4", "5", "6", "7", "8"])
    assert {i: stamp.split()[0] for i, stamp in found.items()} == {
        "1": "1.jpg", "2": "2.png", "3": "3.jpeg", "4": "4.png", "5": "5.JPG",
    }  # fmt: skip
    images, failures = store.decode(["4", "1"], RGB)
    assert not failures
    assert (images[0] == 30).all()
    assert (images[1] == 0).all()
    assert store.place("4") == f"{tmp_path}/images/4.png"
    assert store.place("8") == f"{tmp_path}/images/8.jpg"


def test_folder_stamp_changes_with_bytes_and_with_time(tmp_path):
    path = tmp_path / "images/1.png"
    save(path)
    store = open_store(tmp_path)
    first = store.find(["1"])
    assert store.find(["1"]) == first
    os.utime(path, ns=(1, 1))
    second = store.find(["1"])
    assert second != first
    path.write_bytes(path.read_bytes() + b"x")
    os.utime(path, ns=(1, 1))
    assert store.find(["1"]) not in (first, second)


def test_listed_images_may_lie_anywhere(tmp_path):
    root, other = tmp_path / "root", tmp_path / "other"
    save(root / "near/a.png", 1)
    save(other / "b.webp", 2)
    (root / "images.csv").write_text(
        f"id,path\nn,near/a.png\nf,{other}/b.webp\ngone,x.png\ndir,near\n"
    )
    store = open_store(root)
    assert set(store.find(["n", "f", "gone", "dir", "unlisted"])) == {"n", "f"}
    images, failures = store.decode(["f", "n"], RGB)
    assert not failures
    assert images[:, 0, 0, 0].tolist() == [2, 1]
    assert store.place("gone") == f"{root}/x.png"
    assert store.place("unlisted") == f"{root}/images.csv, id unlisted"


def test_listed_images_need_their_columns(tmp_path):
    (tmp_path / "images.csv").write_text("id,file\n")
    with pytest.raises(UserError, match=r"images.csv: the columns id and path are needed"):
        open_store(tmp_path)


@pytest.mark.parametrize("shape", [(5, 8, 6), (5, 8, 6, 1), (5, 8, 6, 3), (5, 10, 10, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_array_gives_what_decoding_each_picture_gives(tmp_path, shape, channels):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    save_array(tmp_path, array, list("abcde"))
    wanted = ImageFormat((8, 6), channels, "stretch")
    images, failures = open_store(tmp_path).decode(["d", "a"], wanted)
    assert not failures
    for found, row in zip(images, (3, 0), strict=True):
        picture = Image.fromarray(np.squeeze(array[row]))
        np.testing.assert_array_equal(found, convert(picture, wanted))


def test_array_stamps_depend_on_file_and_row(tmp_path):
    save_array(tmp_path, np.zeros((2, 8, 6), np.uint8))
    first = open_store(tmp_path).find(["0", "1", "2"])
    assert set(first) == {"0", "1"}
    assert first["0"] != first["1"]
    assert open_store(tmp_path).place("1") == f"{tmp_path}/images.npy, row 1"
    assert open_store(tmp_path).place("2") == f"{tmp_path}/images_ids.txt"
    save_array(tmp_path, np.zeros((3, 8, 6), np.uint8))
    assert not set(first.values()) & set(open_store(tmp_path).find(["0", "1"]).values())


def test_wrong_arrays_are_named(tmp_path):
    save_array(tmp_path, np.zeros((2, 8, 6)))
    with pytest.raises(UserError, match=r"holds float64 \[2, 8, 6\]: uint8 \[N, H, W\] or"):
        open_store(tmp_path)
    save_array(tmp_path, np.zeros((2, 8, 6, 2), np.uint8))
    with pytest.raises(UserError, match=r"holds uint8 \[2, 8, 6, 2\]"):
        open_store(tmp_path)
    save_array(tmp_path, np.zeros((2, 8, 6), np.uint8), ["a"])
    with pytest.raises(UserError, match=r"images_ids.txt has 1 ids for the 2 images"):
        open_store(tmp_path)
    (tmp_path / "images.npy").write_bytes(b"")
    with pytest.raises(UserError, match=r"images.npy and images_ids.txt cannot be read"):
        open_store(tmp_path)
