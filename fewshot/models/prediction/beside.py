"""Classes that were added to a model, beside those that it was trained on."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.heads.probabilities import probabilities
from fewshot.models.references import Added, Prototypes
from fewshot.precision import full_precision

_TEMPERATURE = 0.1  # where no training classes tell how far cosines spread


@dataclass(frozen=True)
class Space:
    """Where embeddings are compared by their direction; see Prototypes."""

    mean: Tensor
    whitening: Tensor | None = None

    def directions(self, features: Tensor) -> Tensor:
        """[N, D] -> float32 [N, D] of length 1."""
        with full_precision(features):
            moved = features.float() - self.mean.to(features.device)
            if self.whitening is not None:
                moved = moved @ self.whitening.to(features.device)
            return F.normalize(moved)

    def prototypes(self, added: Added) -> Tensor:
        """The mean direction of the photos of each class [C, D], of length 1."""
        units = self.directions(added.features)
        sums = units.new_zeros(len(added.class_names), units.shape[1])
        return F.normalize(sums.index_add_(0, added.labels.to(units.device), units))


class Beside:
    """How likely an image is of each added class, and of any of them.

    Added classes are told apart from one another by the cosines to the mean directions of their
    photos, as SimpleShot has it (https://arxiv.org/abs/1911.04623), exactly as few-shot evaluation
    does. Whether an image is of an added class at all is told by the cosines to all prototypes, own
    and added, which are alike in kind, in a space where directions in which images of one training
    class differ count less: among them, a class of a few photos takes fewer images that are not its
    own.
    """

    def __init__(self, own: Prototypes | None, added: Added) -> None:
        width = added.features.shape[1]
        self._plain = Space(torch.zeros(width) if own is None else own.mean)
        self._own, self._temperature = own, own.temperature if own else _TEMPERATURE
        self._among = self._plain.prototypes(added)
        if own is not None:
            self._whitened = Space(own.mean, own.whitening)
            self._all = torch.cat([own.features, self._whitened.prototypes(added)])

    def shares(self, features: Tensor) -> Tensor:
        """Embeddings [B, D] -> probabilities float64 [B, added classes], of which what is left to 1
        is that of all own classes.
        """
        among = self._softmax(self._plain, self._among, features)
        if self._own is None:
            return among
        found = self._softmax(self._whitened, self._all, features)
        return found[:, len(self._own.features) :].sum(1, keepdim=True) * among

    def _softmax(self, space: Space, to: Tensor, features: Tensor) -> Tensor:
        with full_precision(features):
            cosines = space.directions(features) @ to.to(features.device).T
        return probabilities(cosines, self._temperature)
