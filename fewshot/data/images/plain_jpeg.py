"""Small JPEGs as cameras' software and shops write them, without Pillow's way of opening files.

Of a thumbnail Pillow spends half of the time on finding out what it is. These hold what their first
lines say and nothing that would change how they look; the same decoder of Pillow's gets them.
"""

from PIL import Image

_MOST_BYTES = 1 << 16  # what Pillow hands to its decoder at once
_MODES = {1: "L", 3: "RGB"}
_BEGIN = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00"
_FIRST = 20  # bytes of that and of the rest of its segment
_FRAME, _TABLES, _SCAN, _LEVELS = 0xC0, (0xC4, 0xDD, 0xFE), 0xDA, 0xDB


def small_jpeg(content: bytes, side: int) -> Image.Image | None:
    """The picture of a baseline JPEG, grey or RGB, upright as it is.

    None for any other file, for one of no pixels or that cannot be decoded, which `open_photo` says
    better, and for a picture that is decoded at a smaller scale where its sides need not be longer
    than `side`.
    """
    if len(content) > _MOST_BYTES or not content.startswith(_BEGIN):
        return None
    try:
        frame = _frame(content)
        if frame is None:
            return None
        mode, size = frame
        if not 0 < min(size) < 2 * side:
            return None
        return Image.frombytes(mode, size, content, "jpeg", mode, "")
    except (IndexError, ValueError, OSError):
        return None


def _frame(content: bytes) -> tuple[str, tuple[int, int]] | None:
    """Mode and (width, height); None where a segment is of another kind than tables and comments.

    Such as hold a rotation, further pictures, colours of print. Raises IndexError at the end.
    """
    at, frame = _FIRST, None
    while content[at] == 0xFF:
        marker, length = content[at + 1], content[at + 2] << 8 | content[at + 3]
        if marker == _LEVELS:
            if any(content[k] > 15 for k in range(at + 4, at + 2 + length, 65)) or length % 65 != 2:
                return None
        elif marker == _FRAME:
            bits, height, width = (
                content[at + 4],
                content[at + 5 : at + 7],
                content[at + 7 : at + 9],
            )
            mode = _MODES.get(content[at + 9])
            if frame is not None or bits != 8 or mode is None:
                return None
            frame = mode, (int.from_bytes(width), int.from_bytes(height))
        elif marker == _SCAN:
            return frame
        elif marker not in _TABLES:
            return None
        at += 2 + length
    return None
