"""A model file as a ready module, from the file alone: no CSV, no config, no objective."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from fewshot.errors import UserError
from fewshot.models.building import build_classifier, build_encoder, build_projection, fill
from fewshot.models.model_file import load_model
from fewshot.models.normalisation import Normalisation
from fewshot.models.stored import StoredModel


class SavedModel(nn.Module):
    """A trained model of any objective: raw images in, features and scores out; trains nothing.

    stored: everything the file holds. class_names: in the order of the scores; image_size (height,
    width), image_channels and resize ('stretch' or 'pad'): how images are prepared for it, the last
    two None where a file of the first version does not tell. Raises UserError for a model that
    cannot be built from its file.
    """

    def __init__(self, stored: StoredModel) -> None:
        super().__init__()
        if not stored.embeds:
            raise UserError(
                f"'{stored.path}' is a model of {stored.objective}, which embeds images in its own "
                "way: only a run with that objective can use it."
            )
        self.stored, place, inputs = stored, str(stored.path), stored.inputs
        self.class_names = stored.class_names
        self.image_size = stored.images.size
        self.image_channels, self.resize = stored.images.channels, stored.images.resize
        self.inputs = Normalisation(inputs.size, inputs.channels, inputs.mean, inputs.std)
        sizes: dict[str, Any] = {"in_channels": inputs.channels, "image_size": inputs.size}
        # convolutions on channels-last tensors are faster on CPUs and on tensor cores
        self.encoder = build_encoder(stored.encoder, place, **sizes).to(
            memory_format=torch.channels_last
        )
        fill(self.encoder, "encoder", stored.encoder, place)
        self.projection: nn.Module = nn.Identity()
        if stored.projection is not None:
            self.projection = build_projection(stored.projection, place)
        self.classifier: nn.Module | None = None
        if stored.classifier is not None:
            self.classifier = build_classifier(stored.classifier, place)
        self.requires_grad_(False).eval()

    @property
    def classifies(self) -> bool:
        """Whether it has scores: not one of a pretext or metric task."""
        return self.classifier is not None

    def embed(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, *image_size] -> features float [B, D].

        Raises UserError for images of another shape than the model's.
        """
        self._check(images)
        features: Tensor = self.projection(self.encoder(self.inputs.normalise(images)))
        return features

    def scores(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, *image_size] -> scores float [B, number of class_names].

        Raises UserError for images of another shape, and for a model that does not classify.
        """
        return self.scores_of(self.embed(images))

    def scores_of(self, features: Tensor) -> Tensor:
        """Features as `embed` gives them -> scores float [B, number of class_names].

        Raises UserError for a model that does not classify.
        """
        if self.classifier is None:
            raise UserError(
                f"'{self.stored.path}' is a model of {self.stored.objective} and has no "
                "classifier: classify its embedding by labelled examples (k-NN), or fine-tune it "
                "with configs/finetune.gin."
            )
        scores: Tensor = self.classifier(features)
        return scores

    def forward(self, images: Tensor) -> Tensor:
        """The scores, or the features of a model that does not classify."""
        return self.scores(images) if self.classifies else self.embed(images)

    def _check(self, images: Tensor) -> None:
        channels = (1, 3) if self.image_channels is None else (self.image_channels,)
        shape = tuple(images.shape[1:])
        if images.ndim != 4 or shape[0] not in channels or shape[1:] != self.image_size:
            wanted = " or ".join(str(number) for number in channels)
            raise UserError(
                f"'{self.stored.path}' takes images [n, {wanted}, {self.image_size[0]}, "
                f"{self.image_size[1]}], not {list(images.shape)}: prepare them as it was trained"
                f"{f' (resize={self.resize!r})' if self.resize else ''}."
            )


def load(path: Path | str) -> SavedModel:
    """The ready module of a model file; reading it executes nothing.

    Encoders and classifiers of plug-ins must have been imported. Raises UserError for a file that
    is missing, damaged, newer than the program, or of a part that is not registered.
    """
    return SavedModel(load_model(path))
