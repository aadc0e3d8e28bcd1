"""Small JPEGs decoded directly against Pillow's own way of opening them."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from fewshot.data.images import decode
from fewshot.data.images.decode import ImageFormat, decode_each, decode_file
from fewshot.data.images.photo import open_photo
from fewshot.data.images.plain_jpeg import small_jpeg
from tests.data.images.test_mutated import mutated

SIDE = 64


def jpeg(mode="RGB", size=(30, 40), seed=0, **options):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, "JPEG", **options)
    return stream.getvalue()


def by_pillow(content):
    """Pixels, or None where the file cannot be read."""
    try:
        with open_photo(io.BytesIO(content), SIDE) as image:
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            return image.mode, image.size, image.tobytes()
    except Exception:
        return None


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(30, 40), (1, 1), (127, 127), (200, 100), (17, 255)])
@pytest.mark.parametrize(
    "options",
    [{}, {"quality": 5}, {"subsampling": 0}, {"optimize": True}, {"comment": "a word"},
     {"dpi": (300, 300)}, {"restart_marker_rows": 1}],
    ids=str,
)  # fmt: skip
def test_plain_ones_are_what_pillow_opens(mode, size, options):
    content = jpeg(mode, size, **options)
    found = small_jpeg(content, SIDE)
    assert (found.mode, found.size, found.tobytes()) == by_pillow(content)


def without_pixels(side):
    """A picture, the frame of which says that a side, 'height' or 'width', is 0."""
    content = jpeg()
    at = content.index(b"\xff\xc0") + {"height": 5, "width": 7}[side]
    return content[:at] + bytes(2) + content[at + 2 :]


EXIF = Image.Exif()
EXIF[0x0112] = 6  # to be turned


@pytest.mark.parametrize(
    "content",
    [
        jpeg(progressive=True),
        jpeg("CMYK"),
        jpeg(exif=EXIF),
        jpeg(icc_profile=b"a profile"),
        jpeg(size=(128, 128)),  # which may be decoded at half the scale
        jpeg(size=(400, 100), quality=100),  # more than a decoder is given at once
        jpeg()[:-2],
        jpeg()[:300],
        jpeg()[:21],
        without_pixels("height"),
        without_pixels("width"),
        b"\x89PNG",
        b"",
    ],
    ids=lambda content: str(len(content)),
)
def test_all_others_are_left_to_pillow(content):
    assert small_jpeg(content, SIDE) is None


def test_of_damaged_ones_those_that_are_decoded_are_what_pillow_opens():
    rng = np.random.default_rng(0)
    whole = [jpeg("RGB", seed=1), jpeg("L", seed=2), jpeg("RGB", (9, 9), quality=30)]
    decoded = 0
    for number in range(3000):
        content = mutated(whole[number % 3], rng)
        found = small_jpeg(content, SIDE)
        if found is not None:
            decoded += 1
            assert (found.mode, found.size, found.tobytes()) == by_pillow(content)
    assert decoded > 100


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["stretch", "pad"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_file_is_packed_alike_in_both_ways(tmp_path, monkeypatch, mode, resize, channels):
    (tmp_path / "a.jpg").write_bytes(jpeg(mode))
    wanted = ImageFormat((32, 24), channels, resize)
    plain = decode_file(tmp_path / "a.jpg", wanted)
    monkeypatch.setattr(decode, "small_jpeg", lambda *_: None)
    np.testing.assert_array_equal(plain, decode_file(tmp_path / "a.jpg", wanted))


def test_a_folder_by_a_pictures_name_and_a_missing_file_have_reasons(tmp_path):
    wanted = ImageFormat((8, 6), 3, "pad")
    (tmp_path / "a.jpg").mkdir()
    (tmp_path / "c.jpg").touch()
    (tmp_path / "d.jpg").write_bytes(without_pixels("height"))
    (tmp_path / "e.jpg").write_bytes(without_pixels("width"))
    readers = [lambda name=name: decode_file(tmp_path / f"{name}.jpg", wanted) for name in "abcde"]
    _, failures = decode_each(readers, wanted)
    assert [failure.reason for failure in failures.values()] == [
        "Is a directory", "No such file or directory", "the file is empty", "not an image",
        "not an image",
    ]  # fmt: skip
    assert [failure.lasting for failure in failures.values()] == [False] * 2 + [True] * 3
