"""What every training objective is: an encoder, its inputs, and a loss over a batch."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import gin
import torch
from torch import Tensor, nn

from fewshot.batch import Batch, DataSpec, no_images
from fewshot.encoders.encoder import built_encoder
from fewshot.encoders.state import check_fits
from fewshot.errors import UserError
from fewshot.objectives.inputs import Inputs

Factory = Callable[..., Any]
_APART = ("encoder", "inputs")  # stored apart in model.mdl, so not part of the rest


class Objective(nn.Module, ABC):
    """What training minimises; owns every trained parameter: the encoder and what stands on it.

    spec: facts about the training rows. encoder: factory of an Encoder, called with in_channels
    and image_size. inputs: factory of Inputs, called with spec (default @Inputs).
    A subclass implements `forward`, and `scores(uint8 [B, C, H, W]) -> [B, classes]` if it
    classifies. Set in a subclass: `layout`, the order of batches it needs (see
    interfaces.Sampler), `compares_within_batch`, `needs_labels` and `recordable_before_step` (see
    interfaces.Trainable),
    where a part of it makes the embedding (a Projection) or the scores (a Classifier) that part's
    name in `embedded_by` and `scored_by`, and in `unsaved` the names of parts that training alone
    needs, such as a momentum teacher: --resume finds them, model.mdl goes without. Raises UserError
    without an encoder.
    """

    layout = "image"
    compares_within_batch = False
    needs_labels = False
    recordable_before_step = False
    # the parts that model.mdl can build again, see interfaces.Savable
    embedded_by = ""
    scored_by = ""
    unsaved: tuple[str, ...] = ()

    def __init__(
        self, spec: DataSpec, encoder: Factory | None = None, inputs: Factory | None = None
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if encoder is None:
            raise UserError(
                f"{name}.encoder is not bound: bind one, e.g. {name}.encoder = @SmallResNet."
            )
        self.spec = spec
        self.class_names: tuple[str, ...] = spec.class_names
        # every class the weights have learned from, for evaluations on classes never seen
        self.trained_classes: tuple[str, ...] = spec.class_names
        # digests of the images that a saved model's weights have learned from, for leaks
        self.inherited_images = no_images()
        self.inputs: Inputs = (inputs or gin.get_configurable(Inputs))(spec)
        sizes = {"in_channels": self.inputs.channels, "image_size": self.inputs.size}
        built = built_encoder(name, encoder, **sizes)
        # convolutions on channels-last tensors are faster on CPUs and on tensor cores
        self.encoder = built.to(memory_format=torch.channels_last)

    @abstractmethod
    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Batch -> (loss to minimise, {name: detached scalar} to log)."""

    def before_step(self, step: int, total_steps: int) -> None:
        """Called before every forward pass in training, step from 0: schedules of its own."""

    def step_is_apart(self) -> bool:
        """Whether the next step does what a recorded one would not; asked after before_step.

        On a GPU a step is recorded once and repeated without Python (training/capture.py), where
        `forward` reads no value back and keeps nothing but in tensors that stay in their place.
        A before_step hinders that, unless its class says `recordable_before_step = True`: that
        `forward` reads nothing which it changes, but for such tensors.
        """
        return False

    def after_step(self) -> None:
        """Called after every optimiser step: momentum encoders, queues."""

    def augment(self, images: Tensor, keys: Tensor) -> Tensor:
        """One augmented view [B, C, H, W] of images 0 .. 255, drawn from keys int64 [B, K]."""
        return self.inputs.augment(images, keys)

    def embed(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W], not augmented -> features [B, D]."""
        features: Tensor = self.encoder(self.inputs.normalise(images))
        if self.embedded_by:
            features = getattr(self, self.embedded_by)(features)
        return features

    @property
    def embeds_by_parts(self) -> bool:
        """Whether a model file is enough: not for a subclass with an `embed` of its own."""
        return type(self).embed is Objective.embed

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimiser gets: one group of all parameters that are not frozen.

        A method that wants several learning rates or weight decays returns several groups. Raises
        UserError when nothing is left to train.
        """
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        if not trained:
            raise UserError(
                f"{type(self).__name__} has no parameter to train, all are frozen: bind "
                "main.num_epochs = 0 to evaluate only, or unfreeze a part."
            )
        return [{"params": trained}]

    def rest_state(self) -> dict[str, Tensor]:
        """What model.mdl keeps beside the encoder: all other parameters and persistent buffers.

        Without those of the `unsaved` parts.
        """
        left_out = (*_APART, *self.unsaved)
        state = self.state_dict()
        return {k: v for k, v in state.items() if k.partition(".")[0] not in left_out}

    def load_rest_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `rest_state` gave; raises UserError naming what does not fit."""
        check_fits("what stands on the encoder", self.rest_state(), state)
        self.load_state_dict(state, strict=False)
