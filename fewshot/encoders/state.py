"""Stored tensors against the module that is to take them."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from fewshot.errors import UserError

_SHOWN = 3


def check_fits(what: str, wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    """Raise UserError unless both hold the same names and shapes; names the first that differ.

    what: the thing that wants the tensors, the subject of the message.
    """
    wrong = [
        f"{name} is {list(found[name].shape)} in the file and {list(tensor.shape)} here"
        for name, tensor in wanted.items()
        if name in found and found[name].shape != tensor.shape
    ]
    wrong += [f"{name} is not in the file" for name in wanted if name not in found]
    wrong += [f"{name} is only in the file" for name in found if name not in wanted]
    if wrong:
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise UserError(
            f"the stored weights do not fit {what}: {'; '.join(wrong[:_SHOWN])}{more}. Bind the "
            "architecture and sizes that the weights were saved with."
        )


def read_weights_file(path: str, what: str) -> dict[str, Tensor]:
    """The state dict in a file of torch.save or safetensors; nothing in the file is executed.

    what: the parameter that was bound to the path, for messages. Raises UserError when the file is
    missing or holds no state dict, or numbers that are not finite.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise UserError(f"{what} is '{path}', and there is no such file.")
    try:
        if place.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(place)
        else:
            state = torch.load(place, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds for a broken or foreign file
        raise UserError(
            f"{what} '{path}' cannot be read as tensors ({type(error).__name__}): save it with "
            "torch.save(model.state_dict(), path)."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise UserError(
            f"{what} '{path}' holds no plain state dict: save it with "
            "torch.save(model.state_dict(), path)."
        )
    return _finite(state, what, path)


def _finite(state: dict[str, Tensor], what: str, path: str) -> dict[str, Tensor]:
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise UserError(
                f"{what} '{path}' holds numbers that are not finite ({name}): the training that "
                "saved it had diverged. Take other weights."
            )
    return state
