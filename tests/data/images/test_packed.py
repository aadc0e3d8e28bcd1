from pathlib import Path

import numpy as np
import pytest

from fewshot.data.images.cache import cache_root
from fewshot.data.images.decode import ImageFormat
from fewshot.data.images.joined import digest_numbers, hexadecimal
from fewshot.data.images.packed import Storage, open_pixels, pack_directory
from fewshot.data.images.store import open_store

FORMAT = ImageFormat((8, 6), 3, "stretch")


def test_binding_wins_over_environment_over_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("FEWSHOT_CACHE", "/big/disk")
    assert cache_root("~/here") == Path("/home/someone/here")
    assert cache_root(None) == Path("/big/disk")
    monkeypatch.delenv("FEWSHOT_CACHE")
    assert cache_root(None) == Path("/home/someone/.cache/fewshot")


def test_each_format_and_each_root_has_its_own_pack(tmp_path):
    roots = [tmp_path / "a/data", tmp_path / "b/data"]
    formats = [
        FORMAT,
        ImageFormat((6, 8), 3, "stretch"),
        ImageFormat((8, 6), 1, "stretch"),
        ImageFormat((8, 6), 3, "pad"),
    ]
    places = {pack_directory(tmp_path, root, wanted) for root in roots for wanted in formats}
    assert len(places) == 8
    again = pack_directory(tmp_path, tmp_path / "a/../a/data", FORMAT)
    assert again in places
    assert again.name.startswith("data-")
    assert again.name.endswith("-8x6x3-stretch")


def test_packed_and_unpacked_pixels_are_the_same(make_images, expected, cache):
    root = make_images(dict.fromkeys("abcd", "x"))
    store = open_store(root)
    stamps = {i: store.find("abcd")[i] for i in "dacb"}
    ids, unpacked, failures = open_pixels(store, stamps, FORMAT, Storage.MEMORY)
    assert not cache.exists()
    assert (ids, failures) == (list("dacb"), {})
    ids, packed, failures = open_pixels(store, stamps, FORMAT, cache)
    assert (ids, failures) == (list("dacb"), {})
    assert len(set(unpacked.digests(np.arange(4)).tolist())) == 4
    assert not set(unpacked.digests(np.arange(4)).tolist()) & set(
        packed.digests(np.arange(4)).tolist()
    )
    positions = np.array([3, 0, 0])
    for pixels in (packed, unpacked):
        found = pixels.gather(positions).numpy()
        np.testing.assert_array_equal(found, expected(["b", "d", "d"]))


def test_packing_leaves_broken_images_out_and_unpacked_ones_are_black(make_images, cache, caplog):
    root = make_images(dict.fromkeys("abc", "x"))
    (root / "images/b.png").write_text("no picture")
    store = open_store(root)
    stamps = {i: store.find("abc")[i] for i in "abc"}
    ids, _, failures = open_pixels(store, stamps, FORMAT, cache)
    assert (ids, failures) == (["a", "c"], {"b": "not an image"})
    ids, unpacked, failures = open_pixels(store, stamps, FORMAT, Storage.MEMORY)
    assert (ids, failures) == (["a", "b", "c"], {})
    images = unpacked.gather(np.array([0, 1]))
    assert images[0].any()
    assert not images[1].any()
    told = f"{root}/images/b.png is unreadable and would be skipped: not an image"
    unpacked.gather(np.array([1]))
    assert caplog.text.count(told) == 1


def test_digests_come_back_from_their_numbers():
    texts = ["00000000000000ff", "ffffffffffffffff", "8000000000000000", "7fe0c0ffee123456"]
    numbers = digest_numbers(texts)
    assert numbers.tolist() == [255, -1, -(2**63), int(texts[3], 16)]
    assert hexadecimal(numbers) == texts
    for damage in ("00", "0" * 17, "g" * 16):
        with pytest.raises(ValueError, match=r"hex|buffer"):
            digest_numbers([damage])
