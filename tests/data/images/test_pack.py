import hashlib
import json
import logging
import os
import shutil
import signal
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewshot.data.images import lock as lock_module
from fewshot.data.images import pack as pack_module
from fewshot.data.images.decode import Failure, ImageFormat
from fewshot.data.images.lock import locked
from fewshot.data.images.pack import Pack
from fewshot.data.images.packed import PackedPixels
from fewshot.errors import UserError

FORMAT = ImageFormat((2, 3), 1, "stretch")


class CountingStore:
    """Images of one value each; counts what is decoded."""

    def __init__(self, root_dir, values):
        self.root_dir = root_dir
        self.values = dict(values)
        self.decoded = []

    def find(self, ids):
        return {i: f"stamp {self.values[i]}" for i in ids if i in self.values}

    def place(self, image_id):
        return image_id

    def decode(self, ids, wanted):
        self.decoded += ids
        images = np.zeros((len(ids), *wanted.shape), np.uint8)
        failures = {}
        for k, i in enumerate(ids):
            if isinstance(self.values[i], int):
                images[k] = self.values[i]
            else:
                failures[k] = Failure(self.values[i], lasting=self.values[i] == "broken")
        return images, failures


def values_in(pack, ids):
    images = pack.gather(pack.places(ids)).numpy()
    assert images.shape == (len(ids), 1, 2, 3)
    assert (images == images[:, :, :1, :1]).all()
    return images[:, 0, 0, 0].tolist()


def open_and_add(tmp_path, store, ids):
    pack = Pack(tmp_path / "pack", FORMAT)
    return pack, pack.add(store, store.find(ids))


def files(tmp_path):
    return sorted(p.name for p in (tmp_path / "pack").iterdir())


def test_only_missing_ids_are_decoded(tmp_path):
    store = CountingStore(tmp_path, {str(i): i for i in range(200)})
    open_and_add(tmp_path, store, [str(i) for i in range(150)])
    assert store.decoded == [str(i) for i in range(150)]
    store.decoded.clear()
    ids = [str(i) for i in range(199, 99, -1)]
    pack, failures = open_and_add(tmp_path, store, ids)
    assert sorted(store.decoded) == sorted(str(i) for i in range(150, 200))
    assert not failures
    assert values_in(pack, ids) == list(range(199, 99, -1))  # out of two segments, in order
    assert len(files(tmp_path)) == 6  # two files a segment, index and lock


def test_a_pack_that_is_complete_is_not_written(tmp_path):
    store = CountingStore(tmp_path, {"a": 1})
    open_and_add(tmp_path, store, ["a"])
    (tmp_path / "pack/lock").unlink()
    pack, _ = open_and_add(tmp_path, store, ["a"])
    assert values_in(pack, ["a"]) == [1]
    assert "lock" not in files(tmp_path)


def test_stale_images_are_decoded_anew_and_dead_segments_removed(tmp_path):
    store = CountingStore(tmp_path, {"a": 1, "b": 2})
    open_and_add(tmp_path, store, ["a", "b"])
    store.values["a"] = 11
    store.decoded.clear()
    pack, _ = open_and_add(tmp_path, store, ["a", "b"])
    assert store.decoded == ["a"]
    assert values_in(pack, ["a", "b"]) == [11, 2]
    before = set(files(tmp_path))
    store.values["b"] = 22
    pack, _ = open_and_add(tmp_path, store, ["a", "b"])
    assert values_in(pack, ["a", "b"]) == [11, 22]
    assert len(files(tmp_path)) == len(before) == 6  # the first segment is gone
    assert set(files(tmp_path)) != before


def test_digests_follow_pixels_not_stamps(tmp_path):
    store = CountingStore(tmp_path, {"a": 1, "b": 2, "c": 1})
    pack, _ = open_and_add(tmp_path, store, ["a", "b", "c"])
    a, b, c = pack.digests(pack.places(["a", "b", "c"]))
    assert a == c != b


def test_lasting_failures_are_remembered_and_others_tried_again(tmp_path):
    store = CountingStore(tmp_path, {"a": 1, "b": "broken", "c": "permission denied"})
    expected = {"b": "broken", "c": "permission denied"}
    pack, failures = open_and_add(tmp_path, store, ["a", "b", "c"])
    assert failures == expected
    assert values_in(pack, ["a"]) == [1]
    store.decoded.clear()
    assert open_and_add(tmp_path, store, ["a", "b", "c"])[1] == expected
    assert store.decoded == ["c"]
    store.values |= {"b": 2, "c": 3}
    pack, failures = open_and_add(tmp_path, store, ["a", "b", "c"])
    assert not failures
    assert values_in(pack, ["a", "b", "c"]) == [1, 2, 3]
    store.values["a"] = "broken"
    assert open_and_add(tmp_path, store, ["a"])[1] == {"a": "broken"}


def test_a_file_that_was_broken_meanwhile_and_is_what_it_was_is_read_again(tmp_path):
    store = CountingStore(tmp_path, {"a": 1, "b": 2})
    open_and_add(tmp_path, store, ["a", "b"])
    store.values["a"] = "broken"
    assert open_and_add(tmp_path, store, ["a", "b"])[1] == {"a": "broken"}
    store.values["a"] = 1
    store.decoded.clear()
    pack, failures = open_and_add(tmp_path, store, ["a", "b"])
    assert (store.decoded, failures) == (["a"], {})
    assert values_in(pack, ["b", "a"]) == [2, 1]


def test_nothing_but_failures_leaves_an_empty_pack(tmp_path):
    store = CountingStore(tmp_path, {"a": "broken"})
    pack, failures = open_and_add(tmp_path, store, ["a"])
    assert failures == {"a": "broken"}
    assert len(pack.gather(pack.places([]))) == 0
    assert files(tmp_path) == ["index.json", "lock"]


def test_large_packs_are_written_in_several_segments(tmp_path, monkeypatch):
    monkeypatch.setattr(pack_module, "SEGMENT_BYTES", 10 * FORMAT.nbytes)
    store = CountingStore(tmp_path, {str(i): i for i in range(25)})
    ids = [str(i) for i in range(25)]
    pack, _ = open_and_add(tmp_path, store, ids)
    assert len(files(tmp_path)) == 3 * 2 + 2
    assert values_in(pack, ids) == list(range(25))


@pytest.mark.parametrize("victim", ["commit", "write_index", "append"])
def test_a_killed_writer_leaves_nothing_that_counts(tmp_path, monkeypatch, victim):
    store = CountingStore(tmp_path, {"a": 1, "b": 2})
    open_and_add(tmp_path, store, ["a"])
    process = os.fork()
    if process == 0:
        kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
        target = pack_module if victim == "write_index" else pack_module.SegmentWriter
        setattr(target, victim, kill)
        open_and_add(tmp_path, store, ["a", "b"])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGKILL
    assert values_in(Pack(tmp_path / "pack", FORMAT), ["a"]) == [1]
    pack, _ = open_and_add(tmp_path, store, ["a", "b"])
    assert store.decoded == ["a", "b"]
    assert values_in(pack, ["a", "b"]) == [1, 2]
    assert len(files(tmp_path)) == 6  # what the killed writer left was cleared away


def test_an_interruption_keeps_finished_segments(tmp_path, monkeypatch):
    monkeypatch.setattr(pack_module, "SEGMENT_BYTES", 64 * FORMAT.nbytes)
    store = CountingStore(tmp_path, {str(i): i for i in range(128)})
    plain = store.decode

    def interrupted(ids, wanted):
        if ids[0] == "64":
            raise KeyboardInterrupt
        return plain(ids, wanted)

    store.decode = interrupted
    ids = [str(i) for i in range(128)]
    with pytest.raises(KeyboardInterrupt):
        open_and_add(tmp_path, store, ids)
    store.decode = plain
    store.decoded.clear()
    pack, _ = open_and_add(tmp_path, store, ids)
    assert store.decoded == ids[64:]
    assert values_in(pack, ids) == list(range(128))


def test_two_writers_at_once_decode_each_image_once(tmp_path, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    store = CountingStore(tmp_path, {str(i): i % 256 for i in range(300)})
    started, plain = threading.Event(), store.decode

    def slow(ids, wanted):
        started.set()
        done.wait(0.2)
        return plain(ids, wanted)

    done = threading.Event()
    store.decode = slow
    ids = [str(i) for i in range(300)]
    packs = [Pack(tmp_path / "pack", FORMAT) for _ in range(2)]  # both see an empty folder
    first = threading.Thread(target=packs[0].add, args=(store, store.find(ids[:200])))
    first.start()
    started.wait(5)
    packs[1].add(store, store.find(ids[100:]))
    first.join()
    assert sorted(store.decoded) == sorted(ids)
    assert values_in(packs[1], ids) == [i % 256 for i in range(300)]
    assert "waiting for another process" in caplog.text


@pytest.mark.parametrize("damage", ["short", "gone", "facts", "index"])
def test_damage_is_packed_anew(tmp_path, caplog, damage):
    store = CountingStore(tmp_path, {"a": 1, "b": 2})
    open_and_add(tmp_path, store, ["a", "b"])
    (pixels,) = (tmp_path / "pack").glob("*.u8")
    if damage == "short":
        pixels.write_bytes(pixels.read_bytes()[:-1])
    elif damage == "gone":
        pixels.unlink()
    elif damage == "facts":
        pixels.with_suffix(".json").write_text("{")
    else:
        (tmp_path / "pack/index.json").write_text("[]")
    pack, _ = open_and_add(tmp_path, store, ["a", "b"])
    assert "damaged" in caplog.text
    assert values_in(pack, ["a", "b"]) == [1, 2]
    caplog.clear()
    open_and_add(tmp_path, store, ["a", "b"])
    assert not caplog.text


def test_a_pack_of_another_version_is_packed_anew(tmp_path):
    store = CountingStore(tmp_path, {"a": 1})
    open_and_add(tmp_path, store, ["a"])
    index = tmp_path / "pack/index.json"
    index.write_text(index.read_text().replace('"version": 1', '"version": 0'))
    pack, _ = open_and_add(tmp_path, store, ["a"])
    assert store.decoded == ["a", "a"]
    assert values_in(pack, ["a"]) == [1]
    assert len(files(tmp_path)) == 4


def test_a_full_disk_is_said_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=3_000_000, total=9_000_000)
    )
    store = CountingStore(tmp_path, dict.fromkeys("abcd", 0))
    large = Pack(tmp_path / "pack", ImageFormat((1000, 900), 1, "stretch"))
    with pytest.raises(UserError) as caught:
        large.add(store, store.find("abcd"))
    assert str(caught.value) == (
        f"packing 4 images needs 4 MB, and {tmp_path}/pack has 3 MB free.\n"
        "Free some space, or bind another place: FashionDataset.cache_dir = '/path/with/space'."
    )
    assert not store.decoded


def test_an_unwritable_place_is_said(tmp_path):
    (tmp_path / "pack").touch()
    with pytest.raises(UserError) as caught:
        open_and_add(tmp_path, CountingStore(tmp_path, {"a": 1}), ["a"])
    assert str(caught.value) == (
        f"packed images cannot be written to {tmp_path}/pack: File exists.\n"
        "Bind another place: FashionDataset.cache_dir = '/path/with/space'."
    )


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 255)), max_size=5))
def test_any_history_gives_the_newest_pixels(tmp_path, steps):
    shutil.rmtree(tmp_path / "pack", ignore_errors=True)
    store = CountingStore(tmp_path, {})
    for step in steps:
        store.values |= step
        ids = list(step)
        pack, _ = open_and_add(tmp_path, store, ids)
        assert values_in(pack, ids) == list(step.values())
    known = list(store.values)
    pack, _ = open_and_add(tmp_path, store, known)
    assert values_in(pack, known) == list(store.values.values())


def test_a_flipped_bit_is_noticed_and_the_image_decoded_again(tmp_path, caplog):
    store = CountingStore(tmp_path, {str(i): i for i in range(100)})
    ids = list(store.values)
    stamps = store.find(ids)
    PackedPixels(open_and_add(tmp_path, store, ids)[0], ids, store)
    (path,) = (tmp_path / "pack").glob("*.u8")
    content = bytearray(path.read_bytes())
    for row in (40, 70):
        content[6 * row + 3] ^= 1
    path.write_bytes(content)
    store.decoded.clear()
    pack, _ = open_and_add(tmp_path, store, ids)
    pixels = PackedPixels(pack, ids, store)
    assert not caplog.text
    assert pixels.gather(np.arange(10)).numpy()[:, 0, 0, 0].tolist() == list(range(10))
    assert not caplog.text
    assert pixels.gather(np.arange(35, 45)).numpy()[:, 0, 0, 0].tolist() == list(range(35, 45))
    assert store.decoded == ["40", "70"]
    assert "the packed pixels of 2 images are damaged: decoded again (40, 70)" in caplog.text
    caplog.clear()
    pack, _ = open_and_add(tmp_path, store, ids)
    again = PackedPixels(pack, ids, store).gather(np.arange(100)).numpy()
    assert again[:, 0, 0, 0].tolist() == list(range(100))
    assert not caplog.text
    assert store.decoded == ["40", "70"]
    assert stamps == store.find(ids)


def test_damage_whose_source_has_changed_is_said(tmp_path):
    store = CountingStore(tmp_path, {"a": 1, "b": 2})
    open_and_add(tmp_path, store, ["a", "b"])
    (path,) = (tmp_path / "pack").glob("*.u8")
    path.write_bytes(bytes(12))
    store.values["b"] = 3
    pixels = PackedPixels(Pack(tmp_path / "pack", FORMAT), ["a", "b"], store)
    with pytest.raises(
        UserError, match=r"the packed pixels of b are damaged, and their files have"
    ):
        pixels.gather(np.arange(2))


@pytest.mark.parametrize("name", ["ids", "stamps", "digests"])
def test_changed_facts_of_a_segment_are_noticed(tmp_path, caplog, name):
    store = CountingStore(tmp_path, {"a": 1, "b": 2})
    open_and_add(tmp_path, store, ["a", "b"])
    (path,) = (tmp_path / "pack").glob("segment-*.json")
    facts = json.loads(path.read_text())
    facts[name] = facts[name][::-1]
    path.write_text(json.dumps(facts))
    pack, _ = open_and_add(tmp_path, store, ["a", "b"])
    assert "damaged: decoded again" in caplog.text
    assert values_in(pack, ["a", "b"]) == [1, 2]


@pytest.mark.parametrize("checked", [True, False])
def test_lists_of_stamps_and_digests_as_older_versions_wrote_them_are_read(tmp_path, checked):
    store = CountingStore(tmp_path, {"a": 1, "b": 1, "c": 2})
    before, _ = open_and_add(tmp_path, store, ["a", "b"])
    (path,) = (tmp_path / "pack").glob("segment-*.json")
    facts = json.loads(path.read_text())
    assert facts["stamps"] == "stamp 1", "one that all share is written once"
    facts |= {"stamps": ["stamp 1"] * 2, "digests": [facts["digests"][:16]] * 2}
    together = "\0".join([*facts["ids"], *facts["stamps"], *facts["digests"]])
    facts["check"] = hashlib.blake2b(together.encode(), digest_size=8).hexdigest()
    path.write_text(json.dumps(facts if checked else {k: facts[k] for k in facts if k != "check"}))
    after, _ = open_and_add(tmp_path, store, ["a", "b"])
    assert store.decoded == ["a", "b"]
    assert after.digests(np.arange(2)).tolist() == before.digests(np.arange(2)).tolist()


def test_a_damaged_index_is_made_anew_without_decoding(tmp_path, caplog):
    store = CountingStore(tmp_path, {"a": 1, "b": 2})
    open_and_add(tmp_path, store, ["a"])
    open_and_add(tmp_path, store, ["b"])
    for text in (
        "[]",
        "{",
        "[" * 100_000,
        '{"version": 1, "segments": ["../x"], "unreadable": {}}',
    ):
        (tmp_path / "pack/index.json").write_text(text)
        pack, _ = open_and_add(tmp_path, store, ["a", "b"])
        assert "index.json is damaged: made anew from the 2 segments beside it" in caplog.text
        assert values_in(pack, ["a", "b"]) == [1, 2]
        assert store.decoded == ["a", "b"]
        caplog.clear()
        open_and_add(tmp_path, store, ["a", "b"])
        assert not caplog.text


def test_what_a_killed_writer_left_goes_though_nothing_is_missing(tmp_path):
    store = CountingStore(tmp_path, {"a": 1})
    open_and_add(tmp_path, store, ["a"])
    for name in ("segment-0123456789ab.tmp", ".index.part.json", ".segment-01.part.json"):
        (tmp_path / "pack" / name).touch()
    with locked(tmp_path / "pack"):
        open_and_add(tmp_path, store, ["a"])
    assert len(files(tmp_path)) == 7  # another process may still be writing them
    open_and_add(tmp_path, store, ["a"])
    assert len(files(tmp_path)) == 4


def test_a_system_without_file_locks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(lock_module, "fcntl", None)
    with pytest.raises(UserError, match="packed images need file locks as Linux and macOS have"):
        open_and_add(tmp_path, CountingStore(tmp_path, {"a": 1}), ["a"])


def test_a_disk_that_does_not_say_its_size_is_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0, total=0))
    store = CountingStore(tmp_path, {"a": 1})
    assert values_in(open_and_add(tmp_path, store, ["a"])[0], ["a"]) == [1]


@pytest.mark.parametrize("seed", range(3))
def test_mutated_packs_never_give_other_pixels(tmp_path, seed):
    rng = np.random.default_rng(seed)
    store = CountingStore(tmp_path, {str(i): i for i in range(20)} | {"x": "broken"})
    ids = list(store.values)
    for _ in range(25):
        open_and_add(tmp_path, store, ids)
        victims = [p for p in sorted((tmp_path / "pack").iterdir()) if p.name != "lock"]
        path = victims[rng.integers(len(victims))]
        content = bytearray(path.read_bytes())
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content)
        pack, failures = open_and_add(tmp_path, store, ids)
        assert list(failures) == ["x"]
        found = PackedPixels(pack, ids[:20], store).gather(np.arange(20)).numpy()
        assert found[:, 0, 0, 0].tolist() == list(range(20))
