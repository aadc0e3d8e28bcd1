"""Metric learning: an embedding in which images of one class are near each other."""

import logging
from collections.abc import Callable
from typing import Any

import gin
from torch import Tensor, nn

from fewshot.batch import Batch, DataSpec
from fewshot.binding.filling import call_filled
from fewshot.errors import UserError
from fewshot.models.model_file import load_model
from fewshot.models.parts import Projection
from fewshot.models.reuse import inherit, reusing
from fewshot.objectives.collapse import CollapseGuard
from fewshot.objectives.metric_losses import (
    loss_of_labelled,
    loss_of_triplets,
    margin_at_collapse,
    remember,
    remembered,
)
from fewshot.objectives.objective import Objective
from fewshot.objectives.proxies import Proxies
from fewshot.objectives.reused_parts import reuse_projection
from fewshot.objectives.triplet_loss import TripletLoss
from fewshot.precision import full_precision

logger = logging.getLogger("fewshot")

Factory = Callable[..., Any]


@gin.register
class TripletNet(Objective):
    """Encoder and linear projection to an embedding, trained by a metric loss.

    projection: factory, default @Projection, whose `size` is the width of the embedding and whose
    `normalize` scales it to length 1. loss: factory; by default @TripletLoss, on drawn triplets; or
    one of pytorch-metric-learning on labelled batches, such as @pml.MultiSimilarityLoss, whose
    number of classes and embedding size are filled in; how its proxies learn is bound on `Proxies`.
    The loss says which batches it needs (`layout`). miner: factory of a miner that chooses the
    pairs or triplets of a labelled batch, such as @BatchHard. saved_model_path: a
    model.mdl of any objective, whose encoder and input format are taken, and of a TripletNet the
    projection, too; encoder None rebuilds the stored one. new_projection: True always makes a new
    one, False requires the stored one, to evaluate.
    Raises UserError without labels, for a miner where triplets are drawn beforehand, and for a
    saved model that does not fit.
    """

    needs_labels = True
    embedded_by = "projection"

    def __init__(
        self,
        spec: DataSpec,
        encoder: Factory | None = None,
        inputs: Factory | None = None,
        projection: Factory | None = None,
        loss: Factory | None = None,
        miner: Factory | None = None,
        saved_model_path: str | None = None,
        new_projection: bool | None = None,
    ) -> None:
        stored = None if saved_model_path is None else load_model(saved_model_path)
        if stored is not None:
            encoder, inputs = reusing(stored, "TripletNet", encoder, inputs)
        elif encoder is None or new_projection is False:
            raise UserError(
                "TripletNet has neither an encoder to train nor a saved model: bind "
                "TripletNet.saved_model_path = 'path/to/model.mdl', or TripletNet.encoder, e.g. "
                "@SmallResNet, and TripletNet.new_projection = None."
            )
        super().__init__(spec, encoder, inputs)
        if not spec.class_names:
            raise UserError(
                "TripletNet learns from labels, but the training rows have none: bind "
                "FashionDataset.label_column."
            )
        make = projection or gin.get_configurable(Projection)
        self.projection: Projection = make(self.encoder.num_features)
        width = self.projection.width
        if stored is not None:
            inherit(self, stored)
            reuse_projection(stored, self.projection, self.encoder, new_projection)
        self._proxies: Proxies = gin.get_configurable(Proxies)()
        known = {
            "num_classes": len(spec.class_names),
            "embedding_size": width,
            "descriptors_dim": width,
        }
        loss = loss or gin.get_configurable(TripletLoss)
        self.loss = call_filled(loss, "TripletNet.loss", known)
        self.layout = getattr(self.loss, "layout", "image")
        self.miner = None if miner is None else call_filled(miner, "TripletNet.miner", known)
        _check_miner(self.loss, self.miner, self.layout)
        _warn_of_lengths(self.loss, self.projection.normalize)
        self.guard = CollapseGuard(margin_at_collapse(self.loss))

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The metric loss of the augmented batch; logs say how much it still has to learn from."""
        embedding = batch.gather(self.embed(self.augment(batch.images, batch.keys)))
        with full_precision(embedding):
            if self.layout == "image":
                labels = batch.whole.labels
                assert labels is not None  # the constructor saw to it
                loss, logs = loss_of_labelled(self.loss, self.miner, embedding, labels)
            else:
                loss, logs = loss_of_triplets(self.loss, embedding)
            if self.training:
                logs |= self.guard.observe(loss, embedding)
        return loss, logs

    def step_is_apart(self) -> bool:
        """Whether the guard looks closely, which waits for the device."""
        return self.guard.looks

    def after_step(self) -> None:
        """Let the guard count and judge."""
        self.guard.step_done(self.projection.width)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network, and apart from it the loss's own parameters, see `Proxies`."""
        (group,) = super().parameter_groups()
        return self._proxies.groups(group["params"], self.loss)

    def get_extra_state(self) -> dict[str, Any]:
        """What the loss keeps from batch to batch outside of its own state dict."""
        return remembered(self.loss)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what `get_extra_state` gave."""
        remember(self.loss, state)

    def rest_state(self) -> dict[str, Tensor]:
        """The projection; what the loss and the guard remember is of the run, not of the model."""
        return {k: v for k, v in super().rest_state().items() if k.startswith("projection.")}


def _check_miner(loss: nn.Module, miner: nn.Module | None, layout: str) -> None:
    """Raise UserError where the loss leaves a miner nothing to choose."""
    if miner is not None and layout != "image":
        raise UserError(
            f"TripletNet.miner is bound, but {type(loss).__name__} takes the triplets "
            "that the sampler draws: unbind the miner, or bind a loss on labelled batches "
            "(TripletNet.loss = @pml.TripletMarginLoss, main.sampler = @BalancedBatches)."
        )
    if miner is not None and hasattr(loss, "embedding_memory"):
        raise UserError(
            "TripletNet.miner chooses among the images of a batch, but "
            f"{type(loss).__name__} compares them with a memory: bind "
            "TripletNet.miner = None, and the miner to pml.CrossBatchMemory.miner."
        )


def _warn_of_lengths(loss: nn.Module, normalize: bool) -> None:
    """Say so where the loss looks at directions only, and the embedding has lengths."""
    measured = getattr(loss, "distance", None)
    if not normalize and getattr(measured, "normalize_embeddings", False):
        logger.warning(
            "Projection.normalize is False, but %s compares embeddings scaled to length 1: "
            "their lengths, which nearest neighbours go by, are not trained. Bind a distance "
            "that does not scale (pml.%s.distance = @pml.LpDistance(), "
            "pml.LpDistance.normalize_embeddings = False), or KNNClassification.metric = "
            "'cosine'.",
            type(loss).__name__,
            type(loss).__name__,
        )
