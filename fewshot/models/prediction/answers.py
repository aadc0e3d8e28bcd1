"""Images -> the probability of every class that a model can answer with."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor

from fewshot.augmentation.test_time import averaged
from fewshot.errors import UserError
from fewshot.heads.against import against
from fewshot.heads.knn import KNN
from fewshot.heads.probabilities import probabilities
from fewshot.models.extras import Extras
from fewshot.models.heads import Head, rebuilt_head
from fewshot.models.load import SavedModel
from fewshot.models.prediction.beside import Beside
from fewshot.models.prediction.gallery_folder import GalleryFolder
from fewshot.models.prediction.voters import Voters
from fewshot.models.references import Gallery
from fewshot.wording import first_few

Own = Callable[[Tensor, Tensor], Tensor]


class Answers:
    """A model's own classes, and those that were added to it.

    The own ones are told apart by the classifier, or by the stored head over the gallery; in a
    k-NN's, those images of the gallery beside the file, `large`, vote that `voters` says, if there
    is one (None: no vote of k-NN, or no such gallery). Classes that were added are told apart as
    `beside.Beside` says; what these leave is shared among the own ones. So the own ones keep their
    order among themselves, and the added ones that of SimpleShot. Raises UserError for a head that
    cannot be built again.
    """

    def __init__(
        self, model: SavedModel, extras: Extras, large: GalleryFolder | None = None
    ) -> None:
        self.model, self.extras, self.large = model, extras, large
        self._head: Head | None = None
        self.voters: Voters | None = None
        self.added = () if extras.added is None else extras.added.class_names
        self.own, self._own = self._of_training()
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
        self._head = head = rebuilt_head(gallery.head, str(self.model.stored.path))
        if self.large is not None and isinstance(head, KNN):
            self.voters = Voters(self.large, head, gallery.class_names, self.added)
            if self.voters.refused is None:
                return gallery.class_names, partial(_by_votes, self.voters, temperature)
        return gallery.class_names, _ByHead(head, gallery, temperature)

    def check_labels(self, labels: set[str]) -> None:
        """Raises UserError where a gallery's images vote, and all their labels are of classes that
        the model was not trained on: they are of another column, or spelled otherwise.
        """
        if labels and isinstance(self._head, KNN) and labels.isdisjoint(self.own):
            raise UserError(
                f"the labels of these images ({first_few(sorted(labels))}) are none of the classes "
                f"that '{self.model.stored.path}' votes for ({first_few(self.own)}): name the "
                "column of those with --label-column, or give '' and the images are neighbours "
                "only. Classes that a model was not trained on are added by python -m fewshot add."
            )

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


class _ByHead:
    """By a head over the gallery of the file; what it makes of that, it makes once."""

    def __init__(self, head: Head, gallery: Gallery, temperature: float) -> None:
        self._head, self._gallery, self._temperature = head, gallery, temperature
        self._scores: Callable[[Tensor], Tensor] | None = None

    def __call__(self, _images: Tensor, features: Tensor) -> Tensor:
        scores = self._scores
        if scores is None:
            parts = (self._gallery.features, self._gallery.labels)
            support, labels = (part.to(features.device) for part in parts)
            scores = against(self._head, support, labels, len(self._gallery.class_names))
            if hasattr(self._head, "against"):  # else nothing is made, and an export traces this
                self._scores = scores
        shares = getattr(self._head, "shares", False)
        return probabilities(scores(features), self._temperature, shares)


def _by_votes(voters: Voters, temperature: float, _images: Tensor, features: Tensor) -> Tensor:
    return probabilities(voters.scores(features).to(features.device), temperature, shares=True)
