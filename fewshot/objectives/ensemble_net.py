"""Several saved classifiers as one."""

import math
from collections.abc import Sequence
from typing import NoReturn

import gin
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fewshot.batch import Batch, DataSpec
from fewshot.errors import UserError
from fewshot.objectives.transfer_net import TransferNet


@gin.register
class EnsembleNet(nn.Module):
    """The mean of the class probabilities of saved models (https://arxiv.org/abs/1612.01474).

    saved_model_path: a list of model.mdl files of classifiers, of any encoders, with the same
    classes. It trains nothing (main.num_epochs = 0). Its embedding is those of the models, each
    scaled to length 1, side by side. Raises UserError for fewer than two models, for one that is
    no classifier, and for models of different classes.
    """

    layout = "image"

    def __init__(self, spec: DataSpec, saved_model_path: Sequence[str] | None = None) -> None:
        super().__init__()
        paths = [saved_model_path] if isinstance(saved_model_path, str) else saved_model_path or ()
        if len(paths) < 2:
            raise UserError(
                f"EnsembleNet.saved_model_path names {len(paths)} models: bind a list of two or "
                "more, e.g. EnsembleNet.saved_model_path = ['a/model.mdl', 'b/model.mdl']."
            )
        self.spec = spec
        self._models = [
            TransferNet(spec, saved_model_path=path, new_classifier=False) for path in paths
        ]
        self.encoder = nn.ModuleList(self._models).requires_grad_(False)
        names = [model.class_names for model in self._models]
        for path, other in zip(paths, names, strict=True):
            if other != names[0]:
                raise UserError(
                    "EnsembleNet.saved_model_path names models of different classes: "
                    f"'{paths[0]}' of {len(names[0])}, '{path}' of {len(other)} or others. Bind "
                    "models that were trained on the same classes."
                )
        self.class_names = names[0]
        trained = {name for model in self._models for name in model.trained_classes}
        self.trained_classes = tuple(sorted(trained))
        self.inherited_images = np.concatenate([m.inherited_images for m in self._models])

    def forward(self, _batch: Batch) -> NoReturn:
        """Always raises UserError: there is nothing to train."""
        raise UserError(
            "EnsembleNet trains nothing: bind main.num_epochs = 0, as "
            "configs/ensemble_evaluate.gin does."
        )

    def scores(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W] -> log of the mean probability [B, number of classes]."""
        logs = [F.log_softmax(model.scores(images).float(), dim=1) for model in self._models]
        return torch.stack(logs).logsumexp(dim=0) - math.log(len(logs))

    def embed(self, images: Tensor) -> Tensor:
        """Images 0 .. 255 [B, C, H, W] -> unit embeddings of every member [B, sum of widths]."""
        parts = [F.normalize(model.embed(images).float()) for model in self._models]
        return torch.cat(parts, dim=1)
