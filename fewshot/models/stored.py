"""What a model file holds, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class StoredPart:
    """An encoder, a projection or a classifier: registered name, arguments, tensors."""

    name: str
    arguments: dict[str, Any]
    state: dict[str, Tensor]


@dataclass(frozen=True)
class StoredImages:
    """The raw images a model takes: size (height, width), channels, resize rule of the pack.

    None where a file of the first version does not tell.
    """

    size: tuple[int, int]
    channels: int | None
    resize: str | None


@dataclass(frozen=True)
class StoredInputs:
    """What the encoder saw: size (height, width), channels, and mean and std of each."""

    size: tuple[int, int]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class StoredModel:
    """What model.mdl holds.

    objective: class name. projection: None where features are the embedding; classifier: None
    where it scores no classes; rest: the objective's tensors that belong to none of the three.
    embeds: whether these parts are all that its embedding takes. class_names: the training classes
    in output order; trained_classes: with them those of the models it started from; trained_images:
    int64 [n], digests of the pixels of all images they learned from. extras: what was added to the
    model since, by name, plain values and tensors.
    """

    path: Path
    objective: str
    encoder: StoredPart
    projection: StoredPart | None
    classifier: StoredPart | None
    rest: dict[str, Tensor]
    embeds: bool
    class_names: tuple[str, ...]
    trained_classes: tuple[str, ...]
    trained_images: Tensor
    images: StoredImages
    inputs: StoredInputs
    csv_digest: str
    extras: Mapping[str, Any] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Every trained tensor by its dotted name."""
        found = {f"encoder.{name}": value for name, value in self.encoder.state.items()}
        for kind, part in (("projection", self.projection), ("classifier", self.classifier)):
            if part is not None:
                found |= {f"{kind}.{name}": value for name, value in part.state.items()}
        return found | self.rest

    def not_finite(self) -> str | None:
        """The first tensor that holds a value that is not finite; None where all are."""
        for name, value in self.tensors().items():
            if value.is_floating_point() and not torch.isfinite(value).all():
                return name
        return None
