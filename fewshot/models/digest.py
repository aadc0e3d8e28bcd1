"""One digest over everything in a model file, so that a flipped bit is noticed when it is read."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def digest_of(content: Any) -> str:
    """Hex digest of plain values, tuples, lists, dicts and tensors; their order counts."""
    hasher = hashlib.blake2b(digest_size=16)
    _feed(hasher, content)
    return hasher.hexdigest()


def _feed(hasher: Any, value: Any) -> None:
    """Every value with its kind and length before it, so that no two contents look alike."""
    if isinstance(value, Tensor) and value.layout is not torch.strided:
        hasher.update(b"no plain tensor;")  # which no model file holds
    elif isinstance(value, Tensor):
        plain = value.detach().cpu().contiguous()
        hasher.update(f"tensor {plain.dtype} {tuple(plain.shape)};".encode())
        if plain.numel():
            hasher.update(plain.reshape(-1).view(torch.uint8).numpy())
    elif isinstance(value, Mapping):
        hasher.update(f"dict {len(value)};".encode())
        for key, item in value.items():
            _feed(hasher, key)
            _feed(hasher, item)
    elif isinstance(value, (tuple, list)):
        hasher.update(f"{type(value).__name__} {len(value)};".encode())
        for item in value:
            _feed(hasher, item)
    else:
        shown = hex(value) if type(value) is int else repr(value)
        text = shown.encode("utf-8", "surrogatepass")
        hasher.update(f"{type(value).__name__} {len(text)};".encode() + text)
