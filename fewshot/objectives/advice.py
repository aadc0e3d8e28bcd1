"""What a small data set is too small for, and what to do instead."""

import logging

from fewshot.objectives.objective import Objective

logger = logging.getLogger("fewshot")

FEW = 1_000  # training images; below, encoders trained from nothing recognise little


def advise(objective: Objective) -> None:
    """Log, before training, how to go about so few images that nothing can be learned from them
    alone; nothing where weights were learned from others before.
    """
    rows = objective.spec.rows
    before = len(objective.inherited_images) or objective.trained_classes != objective.class_names
    if rows >= FEW or before or getattr(objective.encoder, "pretrained", False):
        return
    logger.info(
        "%d training images are too few to learn an encoder from: take a saved one "
        "(configs/five_pictures.gin trains nothing, configs/finetune.gin goes on with it) or "
        "ImageNet's (-c configs/encoder/efficientnet_lite0_imagenet.gin). Or pretrain one without "
        "labels on all the photos you have: configs/simclr.gin.",
        rows,
    )
