"""The nearest references of each query and of each class in many small episodes at once."""

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.heads.found import NO_ROW, Nearest

_DIFFERENCES = 2**17  # pairs times width that are subtracted at a time


def search_episodes(
    support: Tensor, labels: Tensor, query: Tensor, n_classes: int, k: int, metric: str
) -> Nearest:
    """As `search`, a leading dimension of episodes, each small enough for one distance matrix."""
    dtype = query.dtype
    support, query = support.double(), query.double()
    if metric == "cosine":
        support, query = F.normalize(support, dim=-1), F.normalize(query, dim=-1)
    squared = _squared(query, support, dtype)
    of_class = squared.new_full((*squared.shape[:2], n_classes), torch.inf)
    classes = labels.unsqueeze(1).expand(squared.shape)
    of_class.scatter_reduce_(2, classes, squared, "amin")
    rows = torch.arange(squared.shape[2], device=labels.device)
    rows = torch.where(squared == of_class.gather(2, classes), rows, NO_ROW)
    class_row = labels.new_full(of_class.shape, NO_ROW)
    class_row.scatter_reduce_(2, classes, rows, "amin")
    distances, neighbours = squared.sort(dim=2, stable=True)
    return Nearest(distances[..., :k], neighbours[..., :k], of_class, class_row)


def _squared(query: Tensor, support: Tensor, dtype: torch.dtype) -> Tensor:
    """Squared distances [E, Q, S] of float64 features, rounded to dtype as a sum of squares is.

    torch's distance is the root of that sum, whose square is off in its last bits: where these
    decide how it is rounded, as halfway between two numbers, the differences are summed up again.
    """
    exact = "donot_use_mm_for_euclid_dist"
    squared = torch.cdist(query, support, compute_mode=exact).square_()
    width = query.shape[-1]
    off = (width + 8) * torch.finfo(torch.float64).eps
    rounded = squared.to(dtype)
    unsure = (squared * (1 - off)).to(dtype) != (squared * (1 + off)).to(dtype)
    cells = unsure.view(-1).nonzero().squeeze(1)
    step = max(1, _DIFFERENCES // width)
    for some in cells.split(step):
        episode, place = some // squared[0].numel(), some % squared[0].numel()
        a = query[episode, place // squared.shape[2]]
        b = support[episode, place % squared.shape[2]]
        rounded.view(-1)[some] = a.sub_(b).square_().sum(1).to(dtype)
    return rounded
