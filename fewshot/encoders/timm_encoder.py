"""Any timm model as an encoder."""

from collections.abc import Mapping
from typing import Any, ClassVar

import gin
from torch import Tensor, nn

from fewshot.encoders import surgery
from fewshot.encoders.encoder import Encoder
from fewshot.encoders.state import check_fits, read_weights_file
from fewshot.errors import UserError


@gin.register
class TimmEncoder(Encoder):
    """A timm model (https://huggingface.co/docs/timm) without its classifier.

    name: as in timm.list_models(), e.g. 'resnet50.a1_in1k'. pretrained: fetch timm's weights for
    that name. weights_file: a state dict of that model instead (torch.save or .safetensors; its
    classifier is left out). Channels other than 3 are adapted by timm. Raises UserError for names
    and weights that do not exist, cannot be had or do not fit.
    """

    initialisation: ClassVar[Mapping[str, Any]] = {"pretrained": False, "weights_file": None}

    def __init__(
        self,
        *,
        in_channels: int,
        image_size: tuple[int, int],
        name: str = "resnet50",
        pretrained: bool = False,
        weights_file: str | None = None,
    ) -> None:
        super().__init__()
        self.model = _timm_model(name, in_channels, image_size, pretrained and not weights_file)
        if weights_file is not None:
            state = read_weights_file(weights_file, "TimmEncoder.weights_file")
            classifier = _classifier_names(name)
            state = {k: v for k, v in state.items() if not k.startswith(classifier)}
            first = f"{surgery.first_convolution(self.model)[0]}.weight"
            adapt_channels(first, state, in_channels)
            check_fits(f"TimmEncoder '{name}'", self.model.state_dict(), state)
            self.model.load_state_dict(state)
        self.num_features = surgery.measure_features(
            self.model, in_channels, image_size, f"TimmEncoder '{name}'"
        )

    def blocks(self) -> list[nn.Module]:
        """The model's parts; where one is a list of stages, each of these."""
        return surgery.parts(self.model)

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, num_features]."""
        return self.model(images)  # type: ignore[no-any-return]


def adapt_channels(first: str, state: dict[str, Tensor], in_channels: int) -> None:
    """Bring the filters in the state to other channels, as timm does with published ones.

    first: the name of the first convolution's weight.
    """
    from timm.models import adapt_input_conv

    if first in state and state[first].ndim == 4 and state[first].shape[1] != in_channels:
        state[first] = adapt_input_conv(in_channels, state[first])


def _timm_model(
    name: str, in_channels: int, image_size: tuple[int, int], pretrained: bool
) -> nn.Module:
    import timm

    if not timm.is_model(name):
        near = timm.list_models(f"*{name}*")[:5]
        raise UserError(
            f"TimmEncoder.name is '{name}', which timm does not have"
            f"{'; near: ' + ', '.join(near) if near else ''}."
        )
    published = timm.get_pretrained_cfg(name)
    # models with position embeddings are built for one size, which they must be told
    fixed = published is not None and published.fixed_input_size
    options: dict[str, Any] = {"img_size": image_size} if fixed else {}
    try:
        model: nn.Module = timm.create_model(
            name, pretrained=pretrained, in_chans=in_channels, num_classes=0, **options
        )
    except Exception as error:  # what a failed download raises depends on the hub client
        if not pretrained:
            raise
        source = published.hf_hub_id or published.url if published is not None else None
        raise UserError(
            f"the weights of TimmEncoder '{name}' cannot be fetched ({type(error).__name__}). "
            f"Download them ({source}) and bind TimmEncoder.weights_file to the file, or bind "
            "TimmEncoder.pretrained = False to start at random."
        ) from error
    return model


def _classifier_names(name: str) -> tuple[str, ...]:
    """Prefixes of the tensors of timm's own classifier for that model."""
    import timm

    published = timm.get_pretrained_cfg(name)
    classifier = getattr(published, "classifier", None) or ()
    names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    return tuple(f"{part}." for part in names)
