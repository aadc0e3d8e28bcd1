"""EfficientNet-B0, whole or cut after any of its blocks."""

from collections.abc import Mapping
from typing import Any, ClassVar

import gin
from torch import Tensor, nn

from fewshot.encoders import surgery
from fewshot.encoders.encoder import Encoder
from fewshot.encoders.state import check_fits
from fewshot.encoders.torchvision_encoder import pretrained_state, torchvision_model
from fewshot.errors import UserError

_BLOCKS = 16
_HEAD_WIDTH = 1280


@gin.register
class EfficientNetB0(Encoder):
    """torchvision's EfficientNet-B0 (https://arxiv.org/abs/1905.11946) up to a block.

    block_num: 0-based index of the last block kept, 0 .. 15; at 224 pixels 2, 4, 10 and 15 end the
    maps of 56, 28, 14 and 7 pixels. no_head: leave out the last convolution (1x1, to 1280
    channels), which otherwise follows whichever block is last. pretrained: name of published
    weights, e.g. 'IMAGENET1K_V1'; that convolution after an earlier block starts at random.
    """

    initialisation: ClassVar[Mapping[str, Any]] = {"pretrained": None}

    def __init__(
        self,
        *,
        in_channels: int,
        image_size: tuple[int, int],
        block_num: int = _BLOCKS - 1,
        no_head: bool = False,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= block_num < _BLOCKS:
            raise UserError(
                f"EfficientNetB0.block_num is {block_num}: it is the 0-based index of the last "
                f"block kept, 0 .. {_BLOCKS - 1}."
            )
        model = torchvision_model("efficientnet_b0", image_size, "EfficientNetB0")
        state = _pretrained(pretrained)
        if state is not None:
            check_fits("EfficientNetB0", model.state_dict(), state)
            model.load_state_dict(state)
        surgery.adapt_first_convolution(model, in_channels)
        stem, *stages, last = model.features.children()  # type: ignore[union-attr]
        blocks = [block for stage in stages for block in stage.children()][: block_num + 1]
        self.stem = stem
        self.kept = nn.Sequential(*blocks)
        width = _width(blocks[-1])
        self.last: nn.Module = nn.Identity()
        if not no_head:
            self.last = last if block_num == _BLOCKS - 1 else _head(width)
        self.num_features = width if no_head else _HEAD_WIDTH

    def blocks(self) -> list[nn.Module]:
        """The stem, each block kept, and the last convolution."""
        return [self.stem, *self.kept, self.last]

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, num_features], the mean over the last map."""
        maps: Tensor = self.last(self.kept(self.stem(images)))
        return maps.mean((2, 3))


def _pretrained(weights: str | None) -> dict[str, Tensor] | None:
    try:
        return pretrained_state("efficientnet_b0", weights, None, "EfficientNetB0")
    except UserError as error:  # the parameter is called pretrained here
        raise UserError(str(error).replace(".weights", ".pretrained")) from error


def _width(block: nn.Module) -> int:
    """Channels a block ends in: those of its last norm."""
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    return norms[-1].num_features


def _head(width: int) -> nn.Sequential:
    """The network's last convolution, for another number of incoming channels."""
    conv = nn.Conv2d(width, _HEAD_WIDTH, 1, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    return nn.Sequential(conv, nn.BatchNorm2d(_HEAD_WIDTH), nn.SiLU(inplace=True))
