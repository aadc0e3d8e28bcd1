"""Damaged pictures and lists of them: a reason or a message, never a traceback."""

import io

import numpy as np
import pytest
from PIL import Image

from fewshot.data.audit.looks import look
from fewshot.data.images.decode import ImageFormat, decode_each, decode_file
from fewshot.data.images.photo import FORMATS
from fewshot.data.images.store import open_store
from fewshot.errors import UserError

FORMAT = ImageFormat((8, 6), 3, "pad")


def mutated(content, rng):
    """The bytes cut, changed, or doubled somewhere."""
    damaged = bytearray(content)
    for _ in range(rng.integers(1, 8)):
        damaged[rng.integers(len(damaged))] = rng.integers(256)
    start, stop = sorted(rng.integers(0, len(damaged), 2).tolist())
    kind = rng.integers(4)
    if kind == 0:
        return bytes(damaged[: stop + 1])
    if kind == 1:
        return bytes(damaged[:start] + damaged[stop:])
    return bytes(damaged[:stop] + damaged[start:]) if kind == 2 else bytes(damaged)


@pytest.mark.parametrize("file_format", FORMATS)
def test_mutated_pictures_are_read_or_a_reason(tmp_path, file_format):
    rng = np.random.default_rng(FORMATS.index(file_format))
    contents = []
    for mode in ("RGB", "L"):
        picture = Image.fromarray(rng.integers(0, 256, (24, 18, 3), dtype=np.uint8)).convert(mode)
        stream = io.BytesIO()
        picture.save(stream, file_format)
        contents.append(stream.getvalue())
    (tmp_path / "images").mkdir()
    paths = [tmp_path / f"images/{number}.jpg" for number in range(60)]
    for number, path in enumerate(paths):
        path.write_bytes(mutated(contents[number % 2], rng))
    readers = [lambda path=path: decode_file(path, FORMAT) for path in paths]
    images, failures = decode_each(readers, FORMAT)
    assert images.shape == (60, *FORMAT.shape)
    assert all(failure.reason for failure in failures.values())
    readable, _ = look(open_store(tmp_path), [path.stem for path in paths])
    assert len(readable) <= 60


def test_mutated_lists_of_images_are_read_or_a_message(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(5):
        Image.new("L", (6, 8), number).save(tmp_path / f"{number}.png")
    whole = "id,path\n" + "".join(f"{number},{number}.png\n" for number in range(5))
    for _ in range(200):
        (tmp_path / "images.csv").write_bytes(mutated(whole.encode(), rng))
        try:
            store = open_store(tmp_path)
        except UserError:
            continue
        found = list(store.find("01234"))
        assert not store.decode(found, FORMAT)[1]
