"""The idx format of MNIST-like data (http://yann.lecun.com/exdb/mnist/), plain or gzipped."""

import gzip
import struct
from pathlib import Path

import numpy as np

from fewshot.data.images.decode import UInt8Array

UNSIGNED_BYTE = 8
MOST_BYTES = 1 << 28  # unpacked: five times the largest file of MNIST-like data


def read_content(folder: Path, name: str) -> bytes:
    """The bytes of folder/name or of folder/name.gz, unpacked; raises OSError or EOFError."""
    plain = folder / name
    if plain.is_file():
        return plain.read_bytes()
    with gzip.open(folder / f"{name}.gz") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(f"unpacked, it has more than the {MOST_BYTES:,} bytes allowed")
    return content


def parse_idx(content: bytes) -> UInt8Array:
    """An array of unsigned bytes of the shape in the header; raises ValueError for other bytes."""
    if len(content) < 4 or content[:3] != bytes((0, 0, UNSIGNED_BYTE)):
        raise ValueError("not an idx file of unsigned bytes")
    dimensions = content[3]
    start = 4 + 4 * dimensions
    shape = struct.unpack(f">{dimensions}I", content[4:start]) if len(content) >= start else ()
    if len(content) != start + int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"the header says {list(shape)}, but {len(content)} bytes are there")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
