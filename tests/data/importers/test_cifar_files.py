import os
import pickle

import numpy as np
import pytest

from fewshot.data.importers import cifar_files
from fewshot.data.importers.cifar_files import read_binary, read_names, read_python
from fewshot.errors import UserError

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 3072), dtype=np.uint8)


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(2, 6))
def test_pickles_of_every_protocol_are_read(tmp_path, protocol):
    content = {b"data": PIXELS, b"labels": [3, 9]}
    (tmp_path / "batch").write_bytes(pickle.dumps(content, protocol=protocol))
    if protocol == 5:  # out-of-band arrays need numpy._core.numeric._frombuffer, which is not CIFAR
        with pytest.raises(UserError, match="which no CIFAR-10 file needs"):
            read_python(tmp_path / "batch")
        return
    pixels, labels = read_python(tmp_path / "batch")
    np.testing.assert_array_equal(pixels, PIXELS)
    assert labels == [3, 9]


def test_a_python_2_pickle_is_read(tmp_path):
    # As the original files are: string keys, numpy 1 names, a dtype with the flags 0 and 1.
    text = (
        b"(dp0\nS'data'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n"
        b"(I0\ntS'b'\ntRp4\n(I1\n(I1\nI3072\ntcnumpy\ndtype\np5\n(S'u1'\nI0\nI1\ntRp6\n"
        b"(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'" + b"\\x07" * 3072 + b"'\ntbsS'labels'\n"
        b"(lp7\nI4\nas."
    )
    (tmp_path / "batch").write_bytes(text)
    pixels, labels = read_python(tmp_path / "batch")
    np.testing.assert_array_equal(pixels, np.full((1, 3072), 7))
    assert labels == [4]


def test_nothing_in_a_pickle_is_executed(tmp_path):
    content = {b"data": PIXELS, b"labels": [3, 9], b"extra": Attack(tmp_path / "ran")}
    (tmp_path / "batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match=r"batch asks for posix.mkdir, which no CIFAR-10"):
        read_python(tmp_path / "batch")
    assert not (tmp_path / "ran").exists()


def test_only_bytes_may_be_encoded(tmp_path):
    (tmp_path / "batch").write_bytes(b"c_codecs\nencode\n(Vx\nVrot13\ntR.")
    with pytest.raises(UserError, match=r"batch asks for the encoding 'rot13'"):
        read_python(tmp_path / "batch")


@pytest.mark.parametrize(
    "content",
    [
        {},
        {b"data": PIXELS, b"labels": [1]},
        {b"data": PIXELS[:, :9], b"labels": [1, 2]},
        {b"data": PIXELS.astype(np.int64), b"labels": [1, 2]},
        {b"data": PIXELS, b"labels": ["a", "b"]},
    ],
)
def test_other_pickles_are_named(tmp_path, content):
    (tmp_path / "batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match=r"batch is not a CIFAR-10 batch: data \(uint8 \[N, 3072\]"):
        read_python(tmp_path / "batch")


def test_broken_files_are_named(tmp_path):
    path = tmp_path / "batch"
    path.write_bytes(b"no pickle")
    with pytest.raises(UserError, match=r"batch cannot be read \(\w+\): unpack the archive again"):
        read_python(path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(UserError, match=r"is not a CIFAR-10 file: it holds a list"):
        read_python(path)
    path.write_bytes(pickle.dumps({}))
    with pytest.raises(UserError, match=r"holds no label_names"):
        read_names(path)


@pytest.mark.parametrize("size", [0, 3072, 3074])
def test_binary_files_of_a_wrong_length_are_named(tmp_path, size):
    (tmp_path / "batch.bin").write_bytes(bytes(size))
    with pytest.raises(UserError, match=rf"has {size} bytes, which is not a number of records"):
        read_binary(tmp_path / "batch.bin")


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo of 2**31 places: 34 GB
        b"\x80\x02}p2147483647\n.",
        b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little") + b"abc.",  # a bytearray of 1 TB
        b"\x80\x05\x96" + (3).to_bytes(8, "little") + b"abc.",
    ],
)
def test_a_pickle_that_asks_for_more_room_than_it_has_is_not_opened(tmp_path, content, monkeypatch):
    path = tmp_path / "batch"
    path.write_bytes(content)
    monkeypatch.setattr(cifar_files._ArrayUnpickler, "load", lambda _: pytest.fail("it was opened"))
    with pytest.raises(UserError, match=r"(asks for room by|batch cannot be read)"):
        read_python(path)
