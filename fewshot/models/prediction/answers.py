"""Images -> the probability of every class that a model can answer with."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.augmentation.test_time import averaged
from fewshot.errors import UserError
from fewshot.heads.geometry import full_precision
from fewshot.heads.probabilities import probabilities
from fewshot.models.extras import Extras, Gallery, Prototypes
from fewshot.models.heads import Head, rebuilt_head
from fewshot.models.load import SavedModel

Own = Callable[[Tensor, Tensor], Tensor]


class Answers:
    """A model's own classes, and those that were added to it.

    The own ones are told apart by the classifier, or by the stored head over the gallery. Classes
    that were added are told apart by the cosines to their prototypes. Whether an image is of an
    added class is said by the cosines to all prototypes, own and added, as those are alike in kind:
    their softmax is the probability of each added class, and what it leaves is shared among the own
    ones. So the own ones keep their order among themselves, and the added ones that of SimpleShot.
    Raises UserError for a head that cannot be built again.
    """

    def __init__(self, model: SavedModel, extras: Extras) -> None:
        self.model, self.extras = model, extras
        self.own, self._own = self._of_training()
        self.added = () if extras.added is None else extras.added.class_names
        self.class_names = (*self.own, *self.added)
        if self.added and self.own and extras.prototypes is None:
            raise UserError(
                f"the model '{model.stored.path}' has classes added beside classes without "
                "prototypes: it is damaged. Add them again to the model it was made from."
            )

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 [B, C, H, W] -> features float32 [B, D] and probabilities float64 [B, C]."""
        features = self.model.embed(images).float()
        if not self.added or self.extras.added is None:
            return features, self._own(images, features)
        if not self.own:
            return features, cosine_probabilities(features, self.extras.added)
        assert self.extras.prototypes is not None  # the constructor saw to it
        both = beside(self.extras.prototypes, self.extras.added)
        added = cosine_probabilities(features, both)[:, -len(self.added) :]
        left = 1 - added.sum(1, keepdim=True)
        return features, torch.cat([left * self._own(images, features), added], dim=1)

    def _of_training(self) -> tuple[tuple[str, ...], Own]:
        gallery, temperature = self.extras.gallery, self.extras.temperature
        if self.model.classifies:
            return self.model.class_names, self._by_classifier
        if gallery is None or gallery.head is None:
            return (), lambda _, features: features.new_zeros(len(features), 0).double()
        head = rebuilt_head(gallery.head, str(self.model.stored.path))
        return gallery.class_names, partial(_by_head, head, gallery, temperature)

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


def beside(own: Prototypes, added: Prototypes) -> Prototypes:
    """The prototypes of both, compared as the own ones are."""
    names = (*own.class_names, *added.class_names)
    features = torch.cat([own.features, added.features])
    return Prototypes(names, features, own.mean, own.temperature)


def cosine_probabilities(features: Tensor, to: Prototypes) -> Tensor:
    """Features [B, D] -> float64 [B, C]: the softmax of the cosines over their temperature."""
    return probabilities(cosines(features, to), to.temperature)


def cosines(features: Tensor, to: Prototypes) -> Tensor:
    """Features [B, D] -> float32 [B, C], as heads/prototypes.py's simple_shot scores them."""
    with full_precision(features):
        centred = F.normalize(features.float() - to.mean.to(features.device))
        return centred @ to.features.to(features.device).T
