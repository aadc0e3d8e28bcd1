"""CIFAR-10's two file formats; its pickles are read without executing anything in them."""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np

from fewshot.data.images.decode import UInt8Array
from fewshot.errors import UserError

IMAGE_BYTES = 3 * 32 * 32
RECORD_BYTES = 1 + IMAGE_BYTES


def read_binary(path: Path) -> tuple[UInt8Array, list[int]]:
    """(uint8 [N, 3072], N labels) of records of one label byte and 3072 pixel bytes."""
    content = np.frombuffer(path.read_bytes(), np.uint8)
    if len(content) == 0 or len(content) % RECORD_BYTES:
        raise UserError(
            f"{path} has {len(content)} bytes, which is not a number of records of {RECORD_BYTES} "
            f"bytes: it is cut short. Unpack the archive again."
        )
    records = content.reshape(-1, RECORD_BYTES)
    return records[:, 1:], records[:, 0].tolist()


def read_python(path: Path) -> tuple[UInt8Array, list[int]]:
    """(uint8 [N, 3072], N labels) of a pickled batch."""
    batch = _load(path)
    pixels, labels = batch.get(b"data"), batch.get(b"labels")
    if (
        isinstance(pixels, np.ndarray)
        and pixels.dtype == np.uint8
        and pixels.shape[1:] == (IMAGE_BYTES,)
        and isinstance(labels, list)
        and len(labels) == len(pixels)
        and all(isinstance(label, int) for label in labels)
    ):
        return pixels, labels
    raise UserError(
        f"{path} is not a CIFAR-10 batch: data (uint8 [N, {IMAGE_BYTES}]) and N labels are "
        f"expected in it. Unpack cifar-10-python.tar.gz again."
    )


def read_names(path: Path) -> list[str]:
    """The class names in batches.meta."""
    names = _load(path).get(b"label_names")
    if not isinstance(names, list):
        raise UserError(f"{path} holds no label_names: unpack cifar-10-python.tar.gz again.")
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _load(path: Path) -> dict[Any, Any]:
    try:
        data = path.read_bytes()
        _refuse_bomb(data)
        content = _ArrayUnpickler(io.BytesIO(data), encoding="bytes").load()
    except _RefusedError as error:
        raise UserError(
            f"{path} asks for {error}, which no CIFAR-10 file needs: it was not opened, as it "
            f"could run a program. Use a file from the original archive."
        ) from error
    except Exception as error:  # a broken pickle raises almost anything
        raise UserError(
            f"{path} cannot be read ({type(error).__name__}): unpack the archive again."
        ) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a CIFAR-10 file: it holds a {type(content).__name__}.")
    return content


def _refuse_bomb(data: bytes) -> None:
    """Refuse what makes the unpickler take memory that the file does not fill.

    It makes room for a memo of any number, and for a bytearray of any size, before it looks at
    what is there.
    """
    for code, argument, _ in pickletools.genops(data):
        if code.name == "BYTEARRAY8" or ("PUT" in code.name and int(str(argument)) > len(data)):
            raise _RefusedError(f"room by {code.name}")


class _RefusedError(Exception):
    """A pickle names something other than arrays of numbers."""


def _dtype(name: Any, align: object = False, copy: object = False) -> np.dtype[Any]:
    """numpy.dtype for the flags 0 and 1 of old pickles, which numpy no longer likes."""
    return np.dtype(name.decode() if isinstance(name, bytes) else name, bool(align), bool(copy))


def _encode(text: str, encoding: str) -> bytes:
    """The one use that Python 3's protocol 2 makes of _codecs.encode: bytes as Latin-1 text."""
    if encoding not in ("latin1", b"latin1"):
        raise _RefusedError(f"the encoding {encoding!r}")
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    """Plain values and numpy arrays; any other name is refused before it is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            module = "numpy"
        allowed = {
            ("numpy", "_reconstruct"): _reconstruct,
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): _dtype,
            ("_codecs", "encode"): _encode,
        }
        if (module, name) not in allowed:
            raise _RefusedError(f"{module}.{name}")
        return allowed[module, name]


def _reconstruct(kind: object, shape: object, type_code: object) -> UInt8Array:
    """An empty array, as numpy's function of this name makes before the state is set."""
    del kind, shape, type_code
    return np.empty(0, np.uint8)
