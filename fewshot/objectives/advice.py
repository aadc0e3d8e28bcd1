"""What a small data set is too small for, and what to do instead."""

import logging

from fewshot.objectives.objective import Objective

logger = logging.getLogger("fewshot")

FEW = 1_000  # training images; below, encoders trained from nothing recognise little
FEW_STEPS = 10, 200  # in an epoch, in a run; below both, rates and averages have no time to settle


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


def advise_on_steps(steps: int, num_epochs: int) -> None:
    """Log, before training, how a run of so many epochs of so few steps gets more of them."""
    if steps >= FEW_STEPS[0] or steps * num_epochs >= FEW_STEPS[1]:
        return
    logger.info(
        "an epoch has %d training %s and the run %d, which is little to learn in: take smaller "
        "batches (ShuffledBatches.batch_size, of 128 images where nothing is bound), more "
        "main.num_epochs, or main.sampler = @RepeatedBatches, which makes an epoch of several "
        "passes over so few images.",
        steps,
        "step" if steps == 1 else "steps",
        steps * num_epochs,
    )
