"""Bytes that a browser sends -> a picture, within limits; and back."""

import base64
import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fewshot.data.images.depth import UnsupportedPictureError
from fewshot.data.images.photo import FORMATS, flatten, open_photo
from fewshot.data.images.plain_background import UInt8Array
from fewshot.demo.refusals import RefusedError

MOST_PIXELS = 40_000_000
LONGEST_SIDE = 1280  # pixels; larger pictures are shrunk while they are decoded


def read_picture(content: bytes) -> UInt8Array:
    """uint8 RGB [H, W, 3]: upright, transparency on white, the longer side at most LONGEST_SIDE.

    Raises RefusedError for what is no picture, is broken, or has too many pixels (none is decoded).
    """
    if not content:
        raise RefusedError(400, "the picture is empty (0 bytes): choose another file.")
    try:
        with open_photo(io.BytesIO(content), most=MOST_PIXELS) as picture:
            return _decoded(picture)
    except UnsupportedPictureError as error:
        raise RefusedError(
            413, f"the picture cannot be taken ({error}): make it smaller."
        ) from error
    except UnidentifiedImageError:
        raise RefusedError(
            415, f"this file is no picture ({', '.join(FORMATS)} are read): choose another one."
        ) from None
    except Exception as error:  # Pillow raises a dozen kinds for broken files
        raise RefusedError(
            415, f"the picture cannot be read ({error}): it is cut short or broken."
        ) from error


def _decoded(picture: Image.Image) -> UInt8Array:
    picture.draft(None, (LONGEST_SIDE, LONGEST_SIDE))
    ImageOps.exif_transpose(picture, in_place=True)
    upright = flatten(picture).convert("RGB")
    upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(upright, np.uint8)


def data_url(pixels: UInt8Array) -> str:
    """A PNG as text, for a page: of uint8 [H, W, 3] or [H, W]."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
