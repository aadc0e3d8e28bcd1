"""Any torchvision classification model as an encoder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import gin
import torch
from torch import Tensor, nn

from fewshot.encoders import surgery
from fewshot.encoders.encoder import Encoder
from fewshot.encoders.state import check_fits, read_weights_file
from fewshot.errors import UserError


@gin.register
class TorchvisionEncoder(Encoder):
    """A torchvision model without its classifier.

    name: as in torchvision.models, e.g. 'resnet50'. weights: name of published weights, e.g.
    'IMAGENET1K_V2' or 'DEFAULT', fetched by torchvision; None starts at random. weights_file: a
    state dict of that model (its classifier, whatever its width, is left out) instead.
    small_images: for ResNets at 28 or 32 pixels: a 3x3 stem without max-pool. Grey images reach
    3-channel filters summed over RGB. Raises UserError for names and weights that do not exist,
    cannot be had or do not fit.
    """

    initialisation: ClassVar[Mapping[str, Any]] = {"weights": None, "weights_file": None}

    def __init__(
        self,
        *,
        in_channels: int,
        image_size: tuple[int, int],
        name: str = "resnet50",
        weights: str | None = None,
        weights_file: str | None = None,
        small_images: bool = False,
    ) -> None:
        super().__init__()
        what = type(self).__name__
        model = torchvision_model(name, image_size, what)
        classifier = surgery.remove_classifier(model, f"{what} '{name}'")
        state = pretrained_state(name, weights, weights_file, what)
        if state is not None:
            _load(model, state, classifier, f"{what} '{name}'")
            if small_images or in_channels not in (1, 3):
                raise UserError(
                    f"{what}: trained weights of '{name}' are for its own stem on 3 channels (or "
                    "grey): bind small_images = False and Inputs.channels = 3, or no weights."
                )
        if small_images:
            surgery.shrink_less(model, what)
        surgery.adapt_first_convolution(model, in_channels)
        if hasattr(model, "transform_input"):  # GoogLeNet and Inception rescale what they see
            model.transform_input = in_channels == 3  # type: ignore[assignment]
        self.model = model
        self.num_features = surgery.measure_features(
            model, in_channels, image_size, f"{what} '{name}'"
        )

    def blocks(self) -> list[nn.Module]:
        """The model's parts; where one is a list of stages, each of these."""
        return surgery.parts(self.model)

    def forward(self, images: Tensor) -> Tensor:
        """Float [B, C, H, W] -> [B, num_features]."""
        return self.model(images)  # type: ignore[no-any-return]


@gin.register
class ResNet18(TorchvisionEncoder):
    """ResNet-18 (https://arxiv.org/abs/1512.03385): 11,181,642 parameters with 10 classes on RGB.

    Arguments as TorchvisionEncoder's; `Inputs.channels = 3` replicates grey images.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        image_size: tuple[int, int],
        weights: str | None = None,
        weights_file: str | None = None,
        small_images: bool = False,
    ) -> None:
        super().__init__(
            in_channels=in_channels,
            image_size=image_size,
            name="resnet18",
            weights=weights,
            weights_file=weights_file,
            small_images=small_images,
        )


def torchvision_model(name: str, image_size: tuple[int, int], what: str) -> nn.Module:
    """The named classification model with random weights and its own 1000 classes."""
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UserError(
            f"{what}.name is '{name}', which torchvision does not have; it has {', '.join(known)}."
        )
    options: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": False}
    if name.startswith("vit_") and image_size[0] == image_size[1]:
        options = {"image_size": image_size[0]}
    return models.get_model(name, weights=None, **options)  # type: ignore[no-any-return]


def pretrained_state(
    name: str, weights: str | None, weights_file: str | None, what: str
) -> dict[str, Tensor] | None:
    """The state dict that was asked for, or None; what: the encoder, for messages."""
    if weights_file is not None:
        return read_weights_file(weights_file, f"{what}.weights_file")
    if weights is None:
        return None
    from torchvision import models

    published = models.get_model_weights(name)
    if weights not in published.__members__:
        raise UserError(
            f"{what}.weights is '{weights}', which '{name}' does not have; it has "
            f"{', '.join(published.__members__)}."
        )
    found = published[weights]
    try:
        state: dict[str, Tensor] = found.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # URLError is an OSError
        target = Path(torch.hub.get_dir()) / "checkpoints" / Path(found.url).name
        raise UserError(
            f"{what}.weights '{weights}' of '{name}' cannot be loaded ({error}). Put the file of "
            f"{found.url} at {target}, or bind {what}.weights = None to start at random."
        ) from error
    return state


def _load(model: nn.Module, state: dict[str, Tensor], classifier: str, what: str) -> None:
    """Load all but the classifier, and the auxiliary classifiers that are not built."""
    apart = (f"{classifier}.", "AuxLogits.", "aux1.", "aux2.")
    kept = {key: value for key, value in state.items() if not key.startswith(apart)}
    check_fits(what, model.state_dict(), kept)
    model.load_state_dict(kept)
