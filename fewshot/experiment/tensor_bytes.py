"""Tensors and plain values as bytes: whole before a file is touched, and damage is noticed."""

import hashlib
import io
from typing import Any

import torch

_MAGIC = b"fewshot sealed "
_HEADER = len(_MAGIC) + 64 + 1  # the digest in hexadecimal digits, a line break


class DamagedError(Exception):
    """Bytes that are not what was written."""


def serialised(contents: Any) -> bytes:
    """What torch.save writes.

    torch's own writer turns a full disk and an interrupt into other errors half-way through a
    file, so files are written from these bytes.
    """
    buffer = io.BytesIO()
    try:
        torch.save(contents, buffer)
    except RuntimeError as error:
        # an archive left unfinished by an interrupt complains when it is closed
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    return buffer.getvalue()


def sealed(contents: Any) -> bytes:
    """What `serialised` gives, after a line with its digest."""
    body = serialised(contents)
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unsealed(data: bytes) -> Any:
    """The contents, on the CPU; nothing in them is executed. Raises DamagedError.

    What torch.save wrote without a digest is read, too.
    """
    if data.startswith(_MAGIC):
        digest, data = data[len(_MAGIC) : _HEADER - 1], data[_HEADER:]
        if hashlib.sha256(data).hexdigest().encode() != digest:
            raise DamagedError("its contents do not match its digest")
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for what is cut short or foreign
        raise DamagedError(f"it cannot be read: {type(error).__name__}") from error
