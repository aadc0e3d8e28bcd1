import gzip
import struct

import numpy as np
import pytest

from fewshot.data.importers.idx_files import parse_idx, read_content


def test_plain_and_gzipped_files_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"plain")
    with gzip.open(tmp_path / "b.gz", "wb") as file:
        file.write(b"packed")
    assert read_content(tmp_path, "a") == b"plain"
    assert read_content(tmp_path, "b") == b"packed"
    with pytest.raises(FileNotFoundError):
        read_content(tmp_path, "c")


def test_shape_is_that_of_the_header():
    content = struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 4) + bytes(range(24))
    np.testing.assert_array_equal(parse_idx(content), np.arange(24).reshape(2, 3, 4))
    np.testing.assert_array_equal(parse_idx(struct.pack(">4BI", 0, 0, 8, 1, 2) + b"\7\5"), [7, 5])


@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\0\x0d\1", b"PK\3\4"])
def test_other_files_are_refused(content):
    with pytest.raises(ValueError, match="not an idx file of unsigned bytes"):
        parse_idx(content)


@pytest.mark.parametrize("extra", [-1, 1])
def test_wrong_length_is_refused(extra):
    content = struct.pack(">4BI", 0, 0, 8, 1, 5) + bytes(5 + extra)
    with pytest.raises(ValueError, match=rf"the header says \[5\], but {13 + extra} bytes"):
        parse_idx(content)


def test_a_bomb_is_not_unpacked(tmp_path):
    with gzip.open(tmp_path / "a.gz", "wb", compresslevel=1) as file:
        for _ in range(33):
            file.write(bytes(1 << 23))
    with pytest.raises(OSError, match="unpacked, it has more than the 268,435,456 bytes allowed"):
        read_content(tmp_path, "a")
