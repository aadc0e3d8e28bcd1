"""What objectives that learn from few-shot episodes share: the episode's parts and its loss."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fewshot.batch import Batch, DataSpec, WholeBatch
from fewshot.errors import UserError
from fewshot.objectives.objective import Objective
from fewshot.precision import full_precision


class EpisodicObjective(Objective):
    """Classifies an episode's query images by its support images; the encoder alone is trained.

    n_way, n_shot, n_query: classes, and support and query images of each, as the sampler (Episodes)
    draws them; a config binds both from one macro. Features are those of the encoder, one image at
    a time, so that any few-shot head evaluates them. Raises UserError for sizes below 1 (n_way: 2).
    """

    layout = "support|query"
    needs_labels = True

    def __init__(
        self,
        spec: DataSpec,
        encoder: Callable[..., Any] | None = None,
        inputs: Callable[..., Any] | None = None,
        n_way: int = 5,
        n_shot: int = 5,
        n_query: int = 15,
    ) -> None:
        super().__init__(spec, encoder, inputs)
        name = type(self).__name__
        for option, value, least in (
            ("n_way", n_way, 2),
            ("n_shot", n_shot, 1),
            ("n_query", n_query, 1),
        ):
            if not isinstance(value, int) or value < least:
                raise UserError(
                    f"{name}.{option} is {value!r}: bind a whole number of {least} or more."
                )
        self.n_way, self.n_shot, self.n_query = n_way, n_shot, n_query
        self._ordered = False

    @abstractmethod
    def log_probabilities(self, support: Tensor, query: Tensor) -> Tensor:
        """Support [N, K, D] and query [Q, D] features -> log-probabilities [Q, N]."""

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Negative log-likelihood of the queries' classes; `top1` of the queries.

        Raises UserError for a batch that is no episode of these sizes.
        """
        self._check_episode(batch.whole)
        seen = self.inputs.normalise(self.augment(batch.images, batch.keys))
        features = batch.gather(self.encoder(seen))
        support, query = features.split(
            [self.n_way * self.n_shot, self.n_way * self.n_query], dim=0
        )
        with full_precision(features):
            found = self.log_probabilities(
                support.float().view(self.n_way, self.n_shot, -1), query.float()
            )
            truth = torch.arange(self.n_way, device=found.device).repeat_interleave(self.n_query)
            loss = F.nll_loss(found, truth)
        return loss, {"top1": (found.detach().argmax(1) == truth).float().mean()}

    def _check_episode(self, batch: WholeBatch) -> None:
        """The sampler's N, K and Q are bound apart from these: a difference must not go unseen."""
        sizes = (self.n_way, self.n_shot, self.n_query)
        name = type(self).__name__
        reason = f"{name} takes n_way, n_shot, n_query = {sizes}: {_size(*sizes)} images an episode"
        remedy = (
            f"bind the same three on main.sampler = @Episodes and on {name}, best from one macro "
            "each (Episodes.n_way = %n_way)."
        )
        if len(batch) != _size(*sizes):
            raise UserError(f"{reason}, but the batch has {len(batch)}; {remedy}")
        if batch.labels is None:
            raise UserError(
                f"{name} learns from labels, but the training rows have none: bind "
                "FashionDataset.label_column."
            )
        if not self._ordered:
            self._check_order(batch.labels, reason, remedy)
        self._ordered = True  # a sampler draws all alike, and comparing would wait for a GPU

    def _check_order(self, labels: Tensor, reason: str, remedy: str) -> None:
        support, query = labels.split([self.n_way * self.n_shot, self.n_way * self.n_query])
        classes = support[:: self.n_shot]
        expected = [classes.repeat_interleave(n) for n in (self.n_shot, self.n_query)]
        if not torch.equal(torch.cat(expected), labels):
            raise UserError(
                f"{reason}, but the batch's labels are not ordered so (support {support.tolist()}, "
                f"query {query.tolist()}); {remedy}"
            )


def _size(n_way: int, n_shot: int, n_query: int) -> int:
    return n_way * (n_shot + n_query)
