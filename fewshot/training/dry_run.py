"""What --dry-run does: one batch through the objective, forward and backward, nothing written."""

import logging

import numpy as np
import torch
from torch import nn

from fewshot.batch import Batch
from fewshot.interfaces import Dataset, Sampler
from fewshot.objectives.objective import Objective

logger = logging.getLogger("fewshot")


def describe(
    dataset: Dataset,
    objective: Objective,
    sampler: Sampler | None,
    seed: int,
    device: torch.device,
) -> None:
    """Decode one batch, run it through the objective and log shapes and parameter counts."""
    rows = np.arange(min(8, len(dataset))) if sampler is None else sampler.batches(0)[0]
    images = dataset.images(rows)
    total, trained = parameter_count(objective)
    logger.info("batch      %s %s", list(images.shape), images.dtype)
    logger.info("objective  %s", type(objective).__name__)
    logger.info("encoder    %s", type(objective.encoder).__name__)
    logger.info("parameters %s, %s of them trained", f"{total:,}", f"{trained:,}")
    if sampler is not None:
        positions = torch.arange(len(rows))
        keys = torch.stack(
            [torch.full_like(positions, seed), torch.zeros_like(positions), positions], dim=1
        )
        labels = torch.from_numpy(dataset.labels[rows]) if dataset.class_names else None
        loss, logs = objective(Batch(images, labels, torch.from_numpy(rows), keys).to(device))
        loss.backward()
        figures = "  ".join(f"{name} {value.item():.4f}" for name, value in logs.items())
        logger.info("batches    %d an epoch", len(sampler))
        logger.info("loss       %.4f  %s", loss.item(), figures)
    objective.to(device).eval()
    with torch.inference_mode():
        logger.info("embedding  %s", list(objective.embed(images.to(device)).shape))
    logger.info("dry run: nothing was written")


def parameter_count(module: nn.Module) -> tuple[int, int]:
    """(all, trainable) parameters."""
    counts = [(p.numel(), p.requires_grad) for p in module.parameters()]
    return sum(n for n, _ in counts), sum(n for n, trained in counts if trained)
