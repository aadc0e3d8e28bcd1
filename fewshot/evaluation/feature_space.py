"""Where features of novel classes are compared: what the training classes tell of the space."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fewshot.errors import UserError
from fewshot.precision import full_precision


@dataclass(frozen=True)
class FeatureSpace:
    """mean [D]: of training features, None to leave features where they are; whitening [D, D] or
    None: what differences from the mean are multiplied by.
    """

    mean: Tensor | None = None
    whitening: Tensor | None = None

    def place(self, features: Tensor) -> Tensor:
        """[N, D] -> [N, D]."""
        centred = features if self.mean is None else features - self.mean
        if self.whitening is None:
            return centred
        with full_precision(centred):
            return centred @ self.whitening


def within_class_whitening(features: Tensor, labels: Tensor, shrinkage: float) -> Tensor:
    """(I + W / (shrinkage * v))^(-1/2), W being the covariance within classes and v its mean
    variance [D, D]: directions in which images of one class differ count less (within-class
    covariance normalisation, https://www.isca-archive.org/interspeech_2006/hatch06_interspeech.html).

    features [N, D], labels int64 [N]. A large shrinkage changes nothing, zero whitens fully. Raises
    UserError where no two images share a class.
    """
    classes, members = labels.unique(return_inverse=True)
    if len(classes) == len(labels):
        raise UserError(
            "FewShotEvaluation.whiten needs training rows of which some share a class: bind "
            "FewShotEvaluation.whiten = None."
        )
    exact = features.double()
    members = members.to(exact.device)
    sums = exact.new_zeros(len(classes), exact.shape[1])
    sums.index_add_(0, members, exact)
    inner = exact - (sums / members.bincount()[:, None])[members]
    covariance = inner.T @ inner / (len(labels) - len(classes))
    variances, axes = torch.linalg.eigh(covariance)
    mean_variance = variances.mean().clamp_min(torch.finfo(exact.dtype).tiny)
    factors = (1 + variances.clamp_min(0) / (shrinkage * mean_variance)).rsqrt()
    whitening: Tensor = (axes * factors) @ axes.T
    return whitening.to(features.dtype)
