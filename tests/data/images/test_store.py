import os
import unicodedata

import numpy as np
import pytest
from PIL import Image

from fewshot.data.images.decode import ImageFormat, convert
from fewshot.data.images.store import ArrayImages, FolderImages, ListedImages, open_store
from fewshot.data.images.vouching import noted, vouch
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
    (tmp_path / "images.csv").write_text("id,path\n1,a.jpg\n")
    assert isinstance(open_store(tmp_path), ListedImages)
    (tmp_path / "images").mkdir()
    assert isinstance(open_store(tmp_path), FolderImages)


def test_folder_finds_every_suffix_in_order(tmp_path):
    names = ["1.jpg", "2.png", "3.jpeg", "4.png", "4.jpeg", "5.JPG", "6.webp", "8.jfif", "9.0"]
    for number, name in enumerate(names):
        suffix = {".jfif": "JPEG", ".0": "PNG"}.get(name[1:])
        path = tmp_path / "images" / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 8), (10 * number,) * 3).save(path, suffix)
    (tmp_path / "images/10.txt").touch()
    (tmp_path / "images/7.jpg").mkdir()
    (tmp_path / "images/._1.jpg").touch()
    store = open_store(tmp_path)
    found = store.find([*map(str, range(1, 11)), "9.0"])
    assert {i: stamp.split()[0] for i, stamp in found.items()} == {
        "1": "1.jpg", "2": "2.png", "3": "3.jpeg", "4": "4.png", "5": "5.JPG", "6": "6.webp",
        "8": "8.jfif", "9.0": "9.0",
    }  # fmt: skip
    images, failures = store.decode(["4", "1", "9.0"], RGB)
    assert not failures
    assert images[:, 0, 0, 0].tolist() == [30, 0, 80]
    assert store.place("4") == f"{tmp_path}/images/4.png"
    assert store.place("10") == f"{tmp_path}/images/10.jpg"


def test_an_id_may_be_the_whole_file_name(tmp_path):
    save(tmp_path / "images/1.png", 7)
    store = open_store(tmp_path)
    assert set(store.find(["1.png"])) == {"1.png"}
    assert store.decode(["1.png"], RGB)[0].max() == 7


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_name_is_found_in_whatever_form_the_disk_keeps_it(tmp_path, form):
    save(tmp_path / "images" / unicodedata.normalize(form, "béret.png"), 7)
    store = open_store(tmp_path)
    image_id = unicodedata.normalize("NFC", "béret")
    assert set(store.find([image_id])) == {image_id}
    assert store.decode([image_id], RGB)[0].max() == 7


@pytest.mark.parametrize("target", ["/nowhere/x.png", "2.png", "1.png/x.png"])
def test_a_link_that_leads_nowhere_is_no_image(tmp_path, target):
    save(tmp_path / "images/1.png")
    (tmp_path / "images/2.png").symlink_to(target)
    assert set(open_store(tmp_path).find(["1", "2"])) == {"1"}


def test_links_out_of_the_folder_are_read_and_said(tmp_path, caplog):
    caplog.set_level("INFO", "fewshot")
    save(tmp_path / "images/1.png")
    save(tmp_path / "pool/2.png")
    (tmp_path / "images/2.png").symlink_to(tmp_path / "pool/2.png")
    (tmp_path / "images/3.png").symlink_to("1.png")
    assert list(open_store(tmp_path).find("312")) == [*"312"]
    assert f"1 pictures are links that lead out of the folder, and are read there: {tmp_path}" in (
        caplog.text
    )


def test_a_folder_that_cannot_be_listed_is_said(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    store = open_store(tmp_path)
    monkeypatch.setattr(os, "scandir", lambda _: _raise(PermissionError(13, "Permission denied")))
    with pytest.raises(
        UserError, match=r"images cannot be listed \(Permission denied\): make it r"
    ):
        store.find(["1"])


def _raise(error):
    raise error


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


def test_listed_images_stay_under_the_root(tmp_path, caplog):
    root, other = tmp_path / "root", tmp_path / "other"
    save(root / "near/a.png", 1)
    save(other / "b.webp", 2)
    (root / "link.png").symlink_to(other / "b.webp")
    (root / "images.csv").write_text(
        f"id,path\nn,near/a.png\nabs,{root}/near/a.png\nfar,{other}/b.webp\nup,../other/b.webp\n"
        f"link,link.png\ngone,x.png\ndir,near\n"
    )
    store = open_store(root)
    ids = ["n", "abs", "far", "up", "link", "gone", "dir", "unlisted"]
    assert set(store.find(ids)) == {"n", "abs"}
    assert f"images.csv: 3 paths lead out of its folder and are not read: {other}" in caplog.text
    images, failures = store.decode(["n"], RGB)
    assert not failures
    assert images[:, 0, 0, 0].tolist() == [1]
    assert store.place("gone") == f"{root}/x.png"
    assert store.place("unlisted") == f"{root}/images.csv, id unlisted"


def test_listed_images_may_lie_where_an_import_run_here_found_them(tmp_path):
    root, other = tmp_path / "root", tmp_path / "other"
    save(other / "b.webp", 2)
    root.mkdir()
    (root / "images.csv").write_text(f"id,path\nf,{other}/b.webp\n")
    (root / "import.json").write_text(noted({}, [other]))
    vouch(root)
    assert set(open_store(root).find("f")) == {"f"}
    root.rename(tmp_path / "moved")
    assert set(open_store(tmp_path / "moved").find("f")) == {"f"}


@pytest.mark.parametrize(
    "text", ['{"folders": ["/"]}', '{"source": "/"}', '{"source": null}', "[" * 100_000]
)
def test_a_root_does_not_vouch_for_itself(tmp_path, caplog, text):
    root, other = tmp_path / "root", tmp_path / "other"
    save(other / "b.webp", 2)
    root.mkdir()
    (root / "images.csv").write_text(f"id,path\nf,{other}/b.webp\n")
    (root / "import.json").write_text(text)
    assert open_store(root).find("f") == {}
    assert "1 paths lead out of its folder and are not read" in caplog.text
    assert "was not run here, by you: run it again with the same --source" in caplog.text


def test_listed_images_are_read_as_any_csv_is(tmp_path):
    save(tmp_path / "a.png")
    (tmp_path / "images.csv").write_bytes(b"\xef\xbb\xbfid, path\r\n1, a.png\r\n")
    assert set(open_store(tmp_path).find("1")) == {"1"}
    for text, reason in (
        (b"id,path\n1,a.png\n1,b.png\n", "duplicate ids: 1"),
        (b"id,path\n1\n", "line 2"),
        (b"id,path\n1,b\xe9ret.png\n", "line 2"),
        (b"", "is empty"),
    ):
        (tmp_path / "images.csv").write_bytes(text)
        with pytest.raises(UserError, match=reason):
            open_store(tmp_path)


def test_listed_images_need_their_columns(tmp_path):
    (tmp_path / "images.csv").write_text("id,file\n1,a.png\n")
    with pytest.raises(UserError, match=r"images.csv has no column 'path'; its columns are: id, f"):
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


def test_array_stamps_depend_on_the_file_and_on_the_list_of_ids(tmp_path):
    save_array(tmp_path, np.zeros((2, 8, 6), np.uint8))
    first = open_store(tmp_path).find(["0", "1", "2"])
    assert set(first) == {"0", "1"}
    assert dict(first) == dict(zip(first, first.values(), strict=True))
    assert len(first) == 2
    (tmp_path / "images_ids.txt").write_text("1\n0\n")
    assert not set(first.values()) & set(open_store(tmp_path).find(["0", "1"]).values())
    (tmp_path / "images_ids.txt").write_text("0\n1\n")
    assert open_store(tmp_path).find(["0", "1"]) == first
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


def test_ids_of_an_array_are_read_as_those_of_a_table(tmp_path):
    save_array(tmp_path, np.zeros((2, 8, 6), np.uint8))
    (tmp_path / "images_ids.txt").write_text("\ufeffa \nbe\u0301\n")
    assert set(open_store(tmp_path).find(["a", "b\u00e9"])) == {"a", "b\u00e9"}
    (tmp_path / "images_ids.txt").write_text("a\na\n")
    with pytest.raises(UserError, match=r"images_ids.txt names a more than once: each image needs"):
        open_store(tmp_path)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_arrays_are_messages(tmp_path, seed):
    rng = np.random.default_rng(seed)
    save_array(tmp_path, np.zeros((3, 8, 6), np.uint8))
    whole = (tmp_path / "images.npy").read_bytes()
    for _ in range(50):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(128)] = rng.integers(256)
        (tmp_path / "images.npy").write_bytes(damaged[: rng.integers(1, len(damaged) + 1)])
        try:
            store = open_store(tmp_path)
        except UserError:
            continue
        store.decode(list(store.find("012")), RGB)
