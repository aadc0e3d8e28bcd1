import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from fewshot.data.images import depth, photo
from fewshot.data.images.decode import ImageFormat, decode_each, decode_file
from fewshot.data.images.depth import UnsupportedPictureError
from fewshot.data.images.photo import flatten, open_photo

FORMAT = ImageFormat((8, 6), 1, "stretch")


def stored(array, file_format="TIFF"):
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, file_format)
    return stream


@pytest.mark.parametrize(
    ("array", "most"),
    [
        (np.arange(48, dtype=np.uint16) * 5, 255),
        (np.arange(48, dtype=np.uint16) * 80, 4095),
        (np.arange(48, dtype=np.uint16) * 1300, 65535),
        (np.arange(48, dtype=np.int32) * 5, 255),
        (np.arange(48, dtype=np.int32) * 1300, 65535),
        (np.arange(48, dtype=np.uint16) * 20, 1023),
        (np.arange(48, dtype=np.uint16) * 87, 4095),
        (np.arange(48, dtype=np.uint16) * 88, 16383),
        (np.linspace(0, 1, 48, dtype=np.float32), 1),
        (np.linspace(0, 1.1, 48, dtype=np.float32), 4),
        (np.linspace(0, 300, 48, dtype=np.float32), 1023),
        (np.linspace(0, 255, 48, dtype=np.float32), 255),
        (np.linspace(0, 60_000, 48, dtype=np.float32), 65535),
        (np.zeros(48, np.float32), 1),
    ],
)
def test_deep_pictures_are_scaled_by_the_range_that_holds_them(array, most):
    array = array.reshape(8, 6)
    with open_photo(stored(array)) as image:
        flat = flatten(image)
    assert flat.mode == "L"
    expected = np.rint(array.astype(np.float64) * 255 / most)
    assert np.abs(np.asarray(flat) - expected).max() <= (0 if array.dtype != np.float32 else 1)


def test_a_large_deep_picture_is_scaled_as_a_whole(monkeypatch):
    monkeypatch.setattr(depth, "_STRIP_PIXELS", 10)
    array = (np.arange(48, dtype=np.uint16) * 1300).reshape(8, 6)
    with open_photo(stored(array, "PNG")) as image:
        np.testing.assert_array_equal(np.asarray(flatten(image)), np.rint(array / 257))


def test_big_endian_pictures_are_read():
    array = (np.arange(48, dtype=np.uint16) * 1300).reshape(8, 6)
    tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"MM")
    stream = io.BytesIO()
    Image.frombytes("I;16B", (6, 8), array.astype(">u2").tobytes()).save(
        stream, "TIFF", tiffinfo=tags
    )
    with open_photo(stream) as image:
        np.testing.assert_array_equal(np.asarray(flatten(image)), np.rint(array / 257))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.float32(np.nan), "its pixels are not all finite numbers"),
        (np.float32(np.inf), "its pixels are not all finite numbers"),
        (np.int32(-3), "its pixels go from -3 to -3: 0 to 65535 can be read"),
        (np.int32(70_000), "its pixels go from 70000 to 70000: 0 to 65535 can be read"),
    ],
)
def test_values_of_no_known_range_are_refused(value, reason):
    with (
        open_photo(stored(np.full((8, 6), value))) as image,
        pytest.raises(UnsupportedPictureError) as caught,
    ):
        flatten(image)
    assert str(caught.value) == reason


@pytest.mark.parametrize("file_format", ["EPS", "PDF", "ICO", "PCX", "SGI"])
def test_only_formats_that_photos_have_are_opened(tmp_path, file_format):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.jpg", file_format)
    _, failures = decode_each([lambda: decode_file(tmp_path / "a.jpg", FORMAT)], FORMAT)
    assert failures[0].reason == "not an image"


@pytest.mark.parametrize("file_format", photo.FORMATS)
def test_each_format_of_photos_is_read_whatever_the_suffix(tmp_path, file_format):
    Image.new("RGB", (6, 8), (90, 90, 90)).save(tmp_path / "a.jpg", file_format)
    assert np.abs(decode_file(tmp_path / "a.jpg", FORMAT).astype(int) - 90).max() <= 2
    assert photo.is_photo(tmp_path / "a.jpg")


def bomb(path, width, height, depth=8, colour=0):
    """A PNG of zeros: small on disk, large in memory."""

    def chunk(kind, content):
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    packer, row = zlib.compressobj(9), bytes(1 + width * samples * depth // 8)
    packed = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, colour, 0, 0, 0))
    signature = b"\x89PNG\r\n\x1a\n"
    path.write_bytes(
        signature + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [9_000, 10_000, 20_000])
def test_too_many_pixels_are_a_reason_not_a_crash(tmp_path, side):
    bomb(tmp_path / "a.png", side, side)
    _, failures = decode_each([lambda: decode_file(tmp_path / "a.png", FORMAT)], FORMAT)
    assert "80,000,000 allowed" in failures[0].reason
    assert failures[0].lasting


def test_a_file_of_too_many_bytes_is_a_reason(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(photo.MOST_BYTES + 1)  # sparse: nothing is written
    _, failures = decode_each([lambda: decode_file(tmp_path / "a.jpg", FORMAT)], FORMAT)
    assert (
        failures[0].reason == "a file of 1,073,741,825 bytes is more than the 1,073,741,824 allowed"
    )


PEAK = """
import resource, sys
from pathlib import Path
from fewshot.data.images.decode import ImageFormat, decode_file
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decode_file(Path(sys.argv[1]), ImageFormat((8, 6), 3, "stretch"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize(("depth", "colour"), [(16, 0), (8, 6), (8, 4)])
def test_the_peak_of_memory_is_bounded_by_pixels(tmp_path, depth, colour):
    """At most 13 bytes a pixel: of the largest picture allowed, about 1 GB."""
    bomb(tmp_path / "a.png", 4000, 4000, depth, colour)
    command = [sys.executable, "-c", PEAK, str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) * 1024 / 16_000_000 < 13
