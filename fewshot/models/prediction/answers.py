"""Images -> the probability of every class that a model can answer with."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fewshot.augmentation.test_time import averaged
from fewshot.errors import UserError
from fewshot.heads.knn import KNN, check_references, votes
from fewshot.heads.probabilities import probabilities
from fewshot.models.extras import Extras
from fewshot.models.heads import Head, rebuilt_head
from fewshot.models.load import SavedModel
from fewshot.models.prediction.beside import Beside
from fewshot.models.prediction.gallery_folder import GalleryFolder
from fewshot.models.references import Gallery

Own = Callable[[Tensor, Tensor], Tensor]


class Answers:
    """A model's own classes, and those that were added to it.

    The own ones are told apart by the classifier, or by the stored head over the gallery; k-NN
    votes among the gallery beside the file, `large`, where all images of that have classes. Classes
    that were added are told apart as `beside.Beside` says; what these leave is shared among the own
    ones. So the own ones keep their order among themselves, and the added ones that of SimpleShot.
    Raises UserError for a head that cannot be built again.
    """

    def __init__(
        self, model: SavedModel, extras: Extras, large: GalleryFolder | None = None
    ) -> None:
        self.model, self.extras, self.large = model, extras, large
        self.by_large = False  # whether that gallery tells the own classes apart
        self.own, self._own = self._of_training()
        self.added = () if extras.added is None else extras.added.class_names
        self.class_names = (*self.own, *self.added)
        if self.added and self.own and extras.prototypes is None:
            raise UserError(
                f"the model '{model.stored.path}' has classes added beside classes without "
                "prototypes: it is damaged. Add them again to the model it was made from."
            )
        known = extras.prototypes if self.own else None
        self._beside = None if extras.added is None else Beside(known, extras.added)

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 [B, C, H, W] -> features float32 [B, D] and probabilities float64 [B, C]."""
        features = self.model.embed(images).float()
        if self._beside is None:
            return features, self._own(images, features)
        added = self._beside.shares(features)
        if not self.own:
            return features, added
        left = 1 - added.sum(1, keepdim=True)
        return features, torch.cat([left * self._own(images, features), added], dim=1)

    def _of_training(self) -> tuple[tuple[str, ...], Own]:
        gallery, temperature = self.extras.gallery, self.extras.temperature
        if self.model.classifies:
            return self.model.class_names, self._by_classifier
        if gallery is None or gallery.head is None:
            return (), lambda _, features: features.new_zeros(len(features), 0).double()
        head = rebuilt_head(gallery.head, str(self.model.stored.path))
        large = self.large
        if large is not None and isinstance(head, KNN) and large.votes_by(head.metric):
            self.by_large = True
            return large.class_names, partial(_by_votes, head, large, temperature)
        return gallery.class_names, partial(_by_head, head, gallery, temperature)

    def traceable(self) -> "Answers":
        """The same in operations that other runtimes have, where the head offers them."""
        gallery = self.extras.gallery
        if self.model.classifies or gallery is None or gallery.head is None:
            return self
        head: Any = rebuilt_head(gallery.head, str(self.model.stored.path))
        if not hasattr(head, "fitted"):
            return self
        scores = head.fitted(gallery.features, gallery.labels, len(gallery.class_names))
        shares, found = getattr(head, "shares", False), copy(self)
        found._own = lambda _, features: probabilities(
            scores(features), self.extras.temperature, shares
        )
        return found

    def _by_classifier(self, images: Tensor, features: Tensor) -> Tensor:
        """Averaged over the variants of an image that the run's figures were, too."""
        if self.extras.mirrored or self.extras.shift:
            scores = averaged(self.model.scores, self.extras.mirrored, self.extras.shift)(images)
        else:
            scores = self.model.scores_of(features)
        return probabilities(scores.float(), self.extras.temperature)


def _by_head(
    head: Head, gallery: Gallery, temperature: float, _images: Tensor, features: Tensor
) -> Tensor:
    support, labels = (part.to(features.device) for part in (gallery.features, gallery.labels))
    scores = head(support, labels, features, len(gallery.class_names))
    return probabilities(scores, temperature, getattr(head, "shares", False))


def _by_votes(
    head: KNN, large: GalleryFolder, temperature: float, _images: Tensor, features: Tensor
) -> Tensor:
    check_references("KNN", head.k, len(large))
    found = large.voters(features.cpu(), head.k, head.metric)
    scores = votes(found, large.labels, head.weights, head.metric, head.class_balanced)
    return probabilities(scores.to(features.device), temperature, shares=True)
