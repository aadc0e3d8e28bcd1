"""Metric learning: an embedding in which images of one class are near each other."""

import logging
from collections.abc import Callable
from typing import Any

import gin
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.binding.filling import call_filled
from fewshot.errors import UserError
from fewshot.interfaces import Batch, DataSpec
from fewshot.models.model_file import load_model
from fewshot.models.reuse import inherit, reuse_projection, reusing
from fewshot.objectives.collapse import CollapseGuard
from fewshot.objectives.metric_losses import (
    loss_of_labelled,
    loss_of_triplets,
    margin_at_collapse,
    remember,
    remembered,
)
from fewshot.objectives.objective import Objective
from fewshot.objectives.triplet_loss import TripletLoss

logger = logging.getLogger("fewshot")

Factory = Callable[..., Any]


@gin.register
class TripletNet(Objective):
    """Encoder and linear projection to an embedding, trained by a metric loss.

    embedding_size: width of the embedding; None takes the encoder's features as they are.
    normalize: scale embeddings to length 1 (https://arxiv.org/abs/1503.03832). loss: factory; by
    default @TripletLoss, on drawn triplets; or one of pytorch-metric-learning on labelled batches,
    such as @pml.MultiSimilarityLoss, whose number of classes and embedding size are filled in. The
    loss says which batches it needs (`layout`). miner: factory of a miner that chooses the pairs or
    triplets of a labelled batch, such as @pml.BatchHardMiner. proxy_lr_factor: learning rate of the
    loss's own parameters (the proxies of @pml.ProxyAnchorLoss, ...) over that of the network.
    saved_model_path: a model.mdl of any objective, whose encoder and input format are taken, and
    of a TripletNet the projection, too; encoder None rebuilds the stored one. new_projection: True
    always makes a new one, False requires the stored one, to evaluate.
    Raises UserError without labels, for a miner where triplets are drawn beforehand, and for a
    saved model that does not fit.
    """

    needs_labels = True

    def __init__(
        self,
        spec: DataSpec,
        encoder: Factory | None = None,
        inputs: Factory | None = None,
        embedding_size: int | None = 64,
        normalize: bool = True,
        loss: Factory | None = None,
        miner: Factory | None = None,
        proxy_lr_factor: float = 1.0,
        saved_model_path: str | None = None,
        new_projection: bool | None = None,
    ) -> None:
        if embedding_size is not None and embedding_size < 1:
            raise UserError(
                f"TripletNet.embedding_size is {embedding_size}: bind 1 or more, or None for the "
                "encoder's features as they are."
            )
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
        self.normalize = normalize
        self.register_buffer("normalized", torch.tensor(normalize))  # is of the saved model
        self.proxy_lr_factor = proxy_lr_factor
        width = self.encoder.num_features if embedding_size is None else embedding_size
        self.projection: nn.Module = nn.Identity()
        if embedding_size is not None:
            self.projection = nn.Linear(self.encoder.num_features, width)
        if stored is not None:
            inherit(self, stored)
            reuse_projection(stored, self.projection, normalize, new_projection)
        known = {
            "num_classes": len(spec.class_names),
            "embedding_size": width,
            "descriptors_dim": width,
        }
        loss = loss or gin.get_configurable(TripletLoss)
        self.loss = call_filled(loss, "TripletNet.loss", known)
        self.layout = getattr(self.loss, "layout", "image")
        self.compares_within_batch = self.layout == "image"
        self.miner = None if miner is None else call_filled(miner, "TripletNet.miner", known)
        if self.miner is not None and self.layout != "image":
            raise UserError(
                f"TripletNet.miner is bound, but {type(self.loss).__name__} takes the triplets "
                "that the sampler draws: unbind the miner, or bind a loss on labelled batches "
                "(TripletNet.loss = @pml.TripletMarginLoss, main.sampler = @BalancedBatches)."
            )
        if self.miner is not None and hasattr(self.loss, "embedding_memory"):
            raise UserError(
                "TripletNet.miner chooses among the images of a batch, but "
                f"{type(self.loss).__name__} compares them with a memory: bind "
                "TripletNet.miner = None, and the miner to pml.CrossBatchMemory.miner."
            )
        measured = getattr(self.loss, "distance", None)
        if not normalize and getattr(measured, "normalize_embeddings", False):
            logger.warning(
                "TripletNet.normalize is False, but %s compares embeddings scaled to length 1: "
                "their lengths, which nearest neighbours go by, are not trained. Bind a distance "
                "that does not scale (pml.%s.distance = @pml.LpDistance(), "
                "pml.LpDistance.normalize_embeddings = False), or KNNClassification.metric = "
                "'cosine'.",
                type(self.loss).__name__,
                type(self.loss).__name__,
            )
        self.guard = CollapseGuard(margin_at_collapse(self.loss))

    def _embedding(self, images: Tensor) -> Tensor:
        embedding: Tensor = self.projection(self.encoder(self.inputs.normalise(images)))
        return F.normalize(embedding.float()) if self.normalize else embedding.float()

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The metric loss of the augmented batch; logs say how much it still has to learn from."""
        embedding = self._embedding(self.augment(batch.images, batch.keys))
        with torch.autocast(embedding.device.type, enabled=False):
            if self.layout == "image":
                assert batch.labels is not None  # the constructor saw to it
                loss, logs = loss_of_labelled(self.loss, self.miner, embedding, batch.labels)
            else:
                loss, logs = loss_of_triplets(self.loss, embedding)
            if self.training:
                logs |= self.guard.observe(loss, embedding)
        return loss, logs

    def embed(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W] -> embeddings float32 [B, embedding_size]."""
        return self._embedding(images)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The network, and apart from it the loss's own parameters where their factor is not 1.

        That group carries `lr_factor`, by which the optimiser's learning rate is multiplied.
        """
        (group,) = super().parameter_groups()
        own = {id(parameter) for parameter in self.loss.parameters()}
        proxies = [parameter for parameter in group["params"] if id(parameter) in own]
        if not proxies or self.proxy_lr_factor == 1:
            return [group]
        network = [parameter for parameter in group["params"] if id(parameter) not in own]
        groups = [{"params": network}] if network else []
        return [*groups, {"params": proxies, "lr_factor": self.proxy_lr_factor}]

    def get_extra_state(self) -> dict[str, Any]:
        """What the loss keeps from batch to batch outside of its own state dict."""
        return remembered(self.loss)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take back what `get_extra_state` gave."""
        remember(self.loss, state)

    def rest_state(self) -> dict[str, Tensor]:
        """The projection; what the loss and the guard remember is of the run, not of the model."""
        kept = ("projection.", "normalized")
        return {k: v for k, v in super().rest_state().items() if k.startswith(kept)}
