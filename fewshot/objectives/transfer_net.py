"""Classification with a new or a stored encoder: training from scratch, transfer, fine-tuning."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import gin
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.batch import Batch, DataSpec
from fewshot.binding.filling import call_filled
from fewshot.errors import UserError
from fewshot.models.model_file import load_model
from fewshot.models.parts import Classifier
from fewshot.models.reuse import inherit, read_otherwise, reusing
from fewshot.objectives.auxiliary import AuxiliaryClassifiers
from fewshot.objectives.mixing import MixesBatches
from fewshot.objectives.objective import Objective
from fewshot.objectives.reused_parts import built_classifier, reused_classifier

Factory = Callable[..., Any]


@gin.register
class TransferNet(MixesBatches, Objective):
    """Encoder and classifier, trained on labels.

    encoder: factory; None rebuilds that of the saved model. classifier: factory (default
    @LinearClassifier, or the stored one). loss: factory of a loss over (scores, labels), default
    cross-entropy; label smoothing is bound there. mix: @CutMix or @MixUp, which mix all label
    columns alike. saved_model_path: a model.mdl of any objective, whose encoder, input format and,
    where ordered classes and features are the same, classifier are taken. frozen: True freezes the
    encoder, N its first N blocks, norms included. new_classifier: True forces a new one, False
    keeps the stored one with its classes, to evaluate. auxiliary: {further label column: weight of
    its own classifier's loss}. Raises UserError for what does not fit together.
    """

    needs_labels = True
    scored_by = "classifier"

    def __init__(
        self,
        spec: DataSpec,
        encoder: Factory | None = None,
        classifier: Factory | None = None,
        loss: Factory | None = None,
        mix: Factory | None = None,
        saved_model_path: str | None = None,
        frozen: bool | int = False,
        new_classifier: bool | None = None,
        auxiliary: Mapping[str, float] | None = None,
    ) -> None:
        stored = None if saved_model_path is None else load_model(saved_model_path)
        if stored is None:
            _check_fresh(encoder, new_classifier)
            inputs = None
        else:
            encoder, inputs = reusing(stored, "TransferNet", encoder)
        super().__init__(spec, encoder, inputs)
        if stored is not None:
            inherit(self, stored)
        if stored is not None and new_classifier is False:
            self.class_names = stored.class_names
        else:
            _check_classes(self.class_names)
        features = self.encoder.num_features
        self.classifier: Classifier = (
            built_classifier("TransferNet", classifier, features, len(self.class_names))
            if stored is None
            else reused_classifier(
                stored, classifier, self.encoder, self.class_names, new_classifier
            )
        )
        known = {"class_counts": spec.class_counts}
        self.loss: nn.Module = call_filled(loss or nn.CrossEntropyLoss, "TransferNet.loss", known)
        if self.class_names == spec.class_names:  # else nothing will be trained
            _check_loss(self.loss, len(self.class_names))
        self.mix = None if mix is None else mix(num_classes=len(self.class_names))
        self.check_mix(auxiliary or ())
        self.auxiliary = AuxiliaryClassifiers(auxiliary or {}, features, spec)
        if stored is not None and not read_otherwise(stored, self.encoder):
            self.auxiliary.reuse(stored)
        self._frozen = _frozen_parts(self.encoder, frozen)
        for part in self._frozen:
            part.requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Training or evaluation mode, in which frozen parts stay: their norms must not move."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of a labelled batch, and its top-1 accuracy (against the larger share if mixed)."""
        if batch.labels is None or self.class_names != self.spec.class_names:
            raise UserError(
                "TransferNet cannot train here: new_classifier = False keeps the saved model's "
                f"{len(self.class_names)} classes, and the data have other labels. Bind "
                "main.num_epochs = 0 to evaluate, or TransferNet.new_classifier = None."
            )
        images = self.inputs.normalise(self.augment(batch.images, batch.keys))
        targets, further = batch.labels, self.auxiliary.targets(batch.rows)
        if self.mix is not None:
            images, targets, *further = self.mix(images, targets, *further)
            if batch.share is not None and targets.ndim == 1:  # others may have mixed theirs
                targets = F.one_hot(targets, len(self.class_names)).float()
        # whatever the loss averages over, class weights or known labels, is of the whole batch
        features, targets = batch.gather(self.encoder(images)), batch.gather(targets)
        scores = self.classifier(features)
        loss: Tensor = self.loss(scores, targets)
        labels = targets if targets.ndim == 1 else targets.argmax(1)
        beside, logs = self.auxiliary.loss(features, [batch.gather(each) for each in further])
        return loss + beside, {
            "top1": (scores.detach().argmax(1) == labels).float().mean(),
            **logs,
        }

    def scores(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W], not augmented -> logits [B, number of class_names]."""
        return self.scores_of(self.embed(images))

    @property
    def columns(self) -> dict[str, tuple[str, ...]]:
        """{further label column: its classes}, which `column_scores_of` scores."""
        return self.auxiliary.class_names

    def column_scores_of(self, features: Tensor) -> dict[str, Tensor]:
        """Features [B, D] -> {further label column: logits [B, its classes]}."""
        return self.auxiliary(features)  # type: ignore[no-any-return]

    def scores_of(self, features: Tensor) -> Tensor:
        """Features [B, D], as `embed` gives them -> logits [B, number of class_names]."""
        logits: Tensor = self.classifier(features)
        return logits


def _check_fresh(encoder: Factory | None, new_classifier: bool | None) -> None:
    if encoder is None:
        raise UserError(
            "TransferNet has neither an encoder nor a saved model: bind TransferNet.encoder, e.g. "
            "@SmallResNet, or TransferNet.saved_model_path = 'path/to/model.mdl'."
        )
    if new_classifier is not None:
        use = "be replaced" if new_classifier else "be kept"
        raise UserError(
            f"TransferNet.new_classifier is {new_classifier}, but there is no saved model whose "
            f"classifier could {use}: bind TransferNet.saved_model_path = 'path/to/model.mdl'."
        )


def _check_classes(class_names: tuple[str, ...]) -> None:
    if len(class_names) < 2:
        found = f"only '{class_names[0]}'" if class_names else "no labels"
        raise UserError(
            f"TransferNet needs training rows of at least two classes, and the data have {found}: "
            "bind another FashionDataset.label_column or FashionDataset.csv_file."
        )


def _check_loss(loss: nn.Module, n_classes: int) -> None:
    """Raise UserError where a library's loss, as it is bound, gives no number for two images."""
    name = f"{type(loss).__name__} (TransferNet.loss)"
    try:
        with torch.no_grad():
            value = loss(torch.zeros(2, n_classes), torch.arange(2) % n_classes)
    except Exception as error:  # a third party's, of any kind
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(f"{name} cannot be computed as it is bound: {reason[0]}") from error
    if value.ndim:
        raise UserError(
            f"{name} gives {list(value.shape)} numbers for two images, not one: bind its "
            "reduction = 'mean'."
        )


def _frozen_parts(encoder: Any, frozen: bool | int) -> list[nn.Module]:
    """The modules that do not train."""
    if isinstance(frozen, bool):
        return [encoder] if frozen else []
    blocks: list[nn.Module] = encoder.blocks()
    if not 0 <= frozen <= len(blocks):
        raise UserError(
            f"TransferNet.frozen is {frozen}, but {encoder.name} has {len(blocks)} blocks: bind "
            f"0 .. {len(blocks)}, or True for the whole encoder."
        )
    return blocks[:frozen]
