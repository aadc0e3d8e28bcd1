import base64
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from fewshot.demo.pictures import LONGEST_SIDE, data_url, read_picture
from fewshot.demo.refusals import RefusedError


def encoded(picture, kind="PNG", **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def bomb(width, height):
    """A PNG of a few bytes that says it has that many pixels."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def test_a_photo_is_turned_upright():
    photo = Image.new("RGB", (40, 20), "white")
    photo.paste("black", (0, 0, 20, 20))
    exif = photo.getexif()
    exif[0x0112] = 6  # the camera was turned
    pixels = read_picture(encoded(photo, "JPEG", quality=95, exif=exif))
    assert pixels.shape == (40, 20, 3)
    assert pixels[:18].mean() < 10
    assert pixels[22:].mean() > 245


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "1", "I;16"])
def test_every_mode_becomes_rgb(mode):
    grey = Image.fromarray(np.full((9, 8), 200, np.uint8))
    photo = (
        Image.fromarray(np.full((9, 8), 200 * 257, np.uint16))
        if mode == "I;16"
        else grey.convert(mode)
    )
    pixels = read_picture(encoded(photo, "TIFF"))
    assert pixels.shape == (9, 8, 3)
    assert pixels.dtype == np.uint8
    assert abs(float(pixels.mean()) - 200) < 3 or mode == "1"


def test_what_is_transparent_is_white():
    assert read_picture(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))).min() == 255


def test_a_large_photo_is_shrunk():
    pixels = read_picture(encoded(Image.new("RGB", (3000, 1500), "red"), "JPEG"))
    assert pixels.shape == (LONGEST_SIDE // 2, LONGEST_SIDE, 3)


@pytest.mark.parametrize(
    ("content", "status", "told"),
    [
        (b"", 400, "0 bytes"),
        (b"these are words, in a file called photo.jpg", 415, "no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 415, "no picture"),
        (encoded(Image.new("RGB", (90, 90)), "JPEG")[:200], 415, "cannot be read"),
        (bomb(10_000, 10_000), 413, "pixels"),
        (bomb(7_000, 7_000), 413, "7000 x 7000 pixels are more than the 40,000,000 allowed"),
        (bomb(60_000, 60_000), 413, "pixels"),
        (bomb(200, 200), 415, "cannot be read"),
        (bomb(0, 7), 415, "picture"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_message(content, status, told):
    with pytest.raises(RefusedError, match=told) as caught:
        read_picture(content)
    assert caught.value.status == status
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4)])
def test_pixels_reach_the_page_as_they_are(shape):
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    head, _, body = data_url(pixels).partition(",")
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(base64.b64decode(body)))), pixels
    )
