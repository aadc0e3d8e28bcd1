"""Colour pictures of 16 bits: read as a plain division of their whole values."""

import io
import struct
import zlib

import numpy as np
import pytest

from fewshot.data.images import depth
from fewshot.data.images.decode import ImageFormat, decode_each, decode_file
from fewshot.data.images.depth import UnsupportedPictureError
from fewshot.data.images.photo import flatten, open_photo

FORMAT = ImageFormat((8, 6), 3, "stretch")
GREY = np.arange(48).reshape(8, 6, 1)
COLOURS = np.concatenate((GREY, GREY[::-1], GREY[:, ::-1]), axis=-1)


def png(values, kind):
    """A PNG of 16 bits; kind: 2 (RGB), 4 (grey and alpha), 6 (RGBA)."""

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def tiff(values, order="<", compressed=False, planes=1):
    """A TIFF of 16 bits a colour; planes: 2 has one plane after the other."""
    height, width, channels = values.shape
    whole = values if planes == 1 else np.moveaxis(values, -1, 0)
    data = whole.astype(f"{order}u2").tobytes()
    data = zlib.compress(data) if compressed else data
    size = 10 + 12 * 10 + 4
    strips = {1: [size + 6], 2: [size + 30 + len(data) // 3 * i for i in range(3)]}[planes]
    counts = [len(data) // len(strips)] * len(strips)
    several = b"" if planes == 1 else struct.pack(f"{order}6I", *strips, *counts)
    places = (strips[0], counts[0]) if planes == 1 else (size + 6, size + 18)
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, size)]
    tags += [(259, 3, 1, 8 if compressed else 1), (262, 3, 1, 2)]
    tags += [(273, 4, len(strips), places[0]), (277, 3, 1, channels), (278, 3, 1, height)]
    tags += [(279, 4, len(strips), places[1]), (284, 3, 1, planes)]
    entries = b"".join(
        struct.pack(f"{order}HHI", *tag[:3])
        + (struct.pack(f"{order}I", tag[3]) if tag[1] == 4 or tag[2] > 1 else
           struct.pack(f"{order}HH", tag[3], 0))
        for tag in tags
    )  # fmt: skip
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    head = start + struct.pack(f"{order}H", len(tags)) + entries + bytes(4)
    return head + struct.pack(f"{order}3H", 16, 16, 16) + several + data


def ppm(values):
    return b"P6 6 8 65535\n" + values.astype(">u2").tobytes()


def opaque(values):
    return np.concatenate((values, np.full_like(values[..., :1], 65535)), axis=-1)


STORED = {
    "png": lambda values: png(values, 2),
    "png with alpha": lambda values: png(opaque(values), 6),
    "tiff": tiff,
    "big-endian tiff": lambda values: tiff(values, ">"),
    "compressed tiff": lambda values: tiff(values, compressed=True),
    "big-endian compressed tiff": lambda values: tiff(values, ">", compressed=True),
    "ppm": ppm,
}


def read(content):
    with open_photo(io.BytesIO(content)) as image:
        return np.asarray(flatten(image).convert("RGB")).astype(int)


@pytest.mark.parametrize("most", [255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("kind", sorted(STORED))
def test_colours_are_scaled_by_the_depth_that_holds_them(kind, most, monkeypatch):
    monkeypatch.setattr(depth, "_STRIP_PIXELS", 10)
    values = COLOURS * (most // 47)
    found = read(STORED[kind](values))
    # all 16 bits: as the library has it, the upper byte
    upper = most == 65535 and kind != "ppm"
    expected = values >> 8 if upper else np.rint(values * 255 / most)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("alpha", [65535, 4095])
def test_grey_with_transparency_is_scaled_as_well(alpha):
    grey = GREY * 87
    found = read(png(np.concatenate((grey, np.full_like(grey, alpha)), axis=-1), 4))
    np.testing.assert_array_equal(found, np.repeat(np.rint(grey * 255 / 4095), 3, axis=-1))


def test_what_is_transparent_is_white():
    clear = np.concatenate((COLOURS * 87, np.zeros_like(GREY)), axis=-1)
    assert (read(png(clear, 6)) == 255).all()


def test_a_picture_keeps_what_its_file_says_of_it(tmp_path):
    (tmp_path / "a.png").write_bytes(png(COLOURS * 87, 2))
    np.testing.assert_array_equal(
        decode_file(tmp_path / "a.png", FORMAT).transpose(1, 2, 0),
        np.rint(COLOURS * 87 * 255 / 4095),
    )


def test_fewer_bits_that_the_file_tells_are_taken_as_told():
    values = COLOURS * 10
    content = b"P6 6 8 1023\n" + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(read(content), np.rint(values * 255 / 1023))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"P3 2 1 65535\n1 2 3 4000 500 6\n", "it uses 14 of its 16 bits a colour"),
        (tiff(COLOURS * 87, planes=2), "its 16 bits are stored plane by plane"),
    ],
)
def test_what_cannot_be_scaled_is_refused_with_a_remedy(content, reason):
    with pytest.raises(UnsupportedPictureError) as caught:
        read(content)
    assert str(caught.value) == f"{reason}: save it with 8 bits a channel, or as a PNG"


def test_a_deep_picture_that_is_cut_short_is_a_reason(tmp_path):
    (tmp_path / "a.png").write_bytes(png(COLOURS * 87, 2)[:60])
    _, failures = decode_each([lambda: decode_file(tmp_path / "a.png", FORMAT)], FORMAT)
    assert failures[0].lasting
