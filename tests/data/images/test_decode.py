import io

import numpy as np
import pytest
from PIL import Image

from fewshot.data.images.decode import (
    Failure,
    ImageFormat,
    convert,
    decode_each,
    decode_file,
    image_format,
)
from fewshot.errors import UserError

RGB = ImageFormat((8, 6), 3, "stretch")


def test_pixels_of_a_fitting_image_are_untouched():
    pixels = np.random.default_rng(0).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(convert(Image.fromarray(pixels), RGB), pixels.transpose(2, 0, 1))


def test_grey_becomes_three_equal_channels():
    grey = np.arange(48, dtype=np.uint8).reshape(8, 6)
    found = convert(Image.fromarray(grey), RGB)
    for channel in found:
        np.testing.assert_array_equal(channel, grey)


def test_colour_becomes_luma():
    pixels = np.random.default_rng(1).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    found = convert(Image.fromarray(pixels), ImageFormat((8, 6), 1, "stretch"))
    assert found.shape == (1, 8, 6)
    luma = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R 601
    assert np.abs(found[0] - luma).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_on_white(mode):
    image = Image.new("RGBA", (6, 8), (0, 0, 0, 0))
    image.paste((10, 10, 10, 255), (0, 0, 6, 4))
    found = convert(image.convert(mode), RGB)
    assert (found[:, :4] == 10).all()
    assert (found[:, 4:] == 255).all()


def test_half_transparency_is_blended():
    found = convert(Image.new("RGBA", (6, 8), (0, 100, 200, 128)), RGB)
    assert np.abs(found[:, 0, 0].astype(int) - [127, 177, 227]).max() <= 1


def test_sixteen_bit_grey_is_scaled_not_clipped():
    deep = (np.arange(48, dtype=np.uint16) * 1000).reshape(8, 6)
    stream = io.BytesIO()
    Image.fromarray(deep).save(stream, "PNG")
    with Image.open(stream) as image:
        np.testing.assert_array_equal(convert(image, RGB)[0], np.rint(deep / 257))


def test_exif_orientation_is_honoured(tmp_path):
    upright = np.zeros((8, 6, 3), np.uint8)
    upright[:4] = 255  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # stored rotated: show it turned 90 degrees clockwise
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    stored.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode_file(tmp_path / "a.png", RGB), upright.transpose(2, 0, 1))


def test_stretch_fills_the_frame():
    wide = Image.new("RGB", (40, 10), (7, 8, 9))
    found = convert(wide, ImageFormat((12, 12), 3, "stretch"))
    assert (found == np.array([7, 8, 9])[:, None, None]).all()


@pytest.mark.parametrize(
    ("size", "inside"), [((40, 10), np.s_[:, 4:7, :]), ((10, 40), np.s_[:, :, 4:7])]
)
@pytest.mark.parametrize("channels", [1, 3])
def test_pad_keeps_the_aspect_ratio_and_fills_with_white(size, inside, channels):
    found = convert(Image.new("RGB", size, (0, 0, 0)), ImageFormat((12, 12), channels, "pad"))
    assert found.shape == (channels, 12, 12)
    assert (found[inside] == 0).all()
    assert (found == 0).sum() == channels * 3 * 12
    assert (found[found != 0] == 255).all()


def test_downscaling_is_antialiased():
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    found = convert(Image.fromarray(board), ImageFormat((8, 8), 1, "stretch"))
    assert np.abs(found.astype(int) - 127).max() <= 4  # a plain pick would give 0 and 255


def test_large_jpeg_by_the_fast_path_looks_like_the_slow_one(tmp_path):
    ramp = np.add.outer(np.arange(400), np.arange(600)) * 255 / 1000
    Image.fromarray(ramp.astype(np.uint8)).save(tmp_path / "a.jpg", quality=95)
    found = decode_file(tmp_path / "a.jpg", ImageFormat((16, 24), 1, "stretch"))
    exact = ramp.reshape(16, 25, 24, 25).mean(axis=(1, 3))
    assert np.abs(found[0] - exact).max() <= 3


def test_unreadable_files_are_reasons_not_errors(tmp_path):
    good = tmp_path / "good.jpg"
    Image.fromarray(np.full((80, 60, 3), 90, np.uint8)).save(good)
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:300])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    names = ["good.jpg", "cut.jpg", "text.jpg", "empty.jpg", "gone.jpg"]
    readers = [lambda name=name: decode_file(tmp_path / name, RGB) for name in names]
    images, failures = decode_each(readers, RGB)
    assert images.shape == (5, 3, 8, 6)
    assert np.abs(images[0].astype(int) - 90).max() <= 1
    assert not images[1:].any()
    assert failures[1].lasting
    assert failures[2] == Failure("not an image", lasting=True)
    assert failures[3] == Failure("the file is empty", lasting=True)
    assert failures[4] == Failure("No such file or directory", lasting=False)


@pytest.mark.parametrize("size", [64, (64,), (0, 64), (64, 5000), (64.0, 64), "64", (True, 3)])
def test_bad_size_is_named(size):
    with pytest.raises(UserError) as caught:
        image_format(size, 3, "stretch")
    assert f"FashionDataset.image_size is {size!r}: give (height, width)" in str(caught.value)


@pytest.mark.parametrize("channels", [0, 2, 4, "3", True])
def test_bad_channels_are_named(channels):
    with pytest.raises(UserError) as caught:
        image_format((64, 64), channels, "stretch")
    assert f"FashionDataset.channels is {channels!r}: give 1 (grey) or 3 (RGB)" in str(caught.value)


def test_bad_resize_rule_is_named():
    with pytest.raises(UserError, match=r"FashionDataset.resize is 'crop': give 'stretch' .*'pad'"):
        image_format([64, 64], 3, "crop")


def test_a_list_does_for_a_size():
    assert image_format([64, 48], 3, "pad") == ImageFormat((64, 48), 3, "pad")
