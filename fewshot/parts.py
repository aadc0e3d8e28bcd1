"""What a run is made of, built in order."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import gin

from fewshot import seeding
from fewshot.data.run_data import RunData
from fewshot.data.samplers.unstructured import ShuffledBatches
from fewshot.errors import UserError
from fewshot.evaluation import refusals
from fewshot.interfaces import Evaluator, Sampler
from fewshot.objectives.objective import Objective
from fewshot.training.hardware import Hardware
from fewshot.training.trainer import Trainer

Factory = Callable[..., Any]


@dataclass(frozen=True)
class Parts:
    """Everything a run is made of, built in order after seeding."""

    data: RunData
    objective: Objective
    sampler: Sampler | None
    monitors: Sequence[Evaluator]
    evaluators: Sequence[Evaluator]
    hardware: Hardware
    trainer: Trainer


def build(
    data: RunData,
    objective: Factory,
    sampler: Factory | None,
    evaluators: Sequence[Factory],
    seed: int,
    training: bool,
) -> Parts:
    """Everything but the data; raises UserError where two parts do not fit each other."""
    seeding.reseed(seed, "build")
    trainer = gin.get_configurable(Trainer)(gin.get_configurable(Hardware)())
    built = objective(data.spec())
    batches = None
    if training:
        factory = sampler or gin.get_configurable(ShuffledBatches)
        batches = factory(labels=data.train.labels, class_names=data.train.class_names, seed=seed)
        if batches.layout != built.layout:
            raise UserError(
                f"{type(built).__name__} needs batches ordered '{built.layout}', but "
                f"{type(batches).__name__} gives '{batches.layout}': bind another main.sampler."
            )
    with gin.config_scope("validation"):
        monitors = [e for e in (factory() for factory in evaluators) if e.monitors]
    final = [factory() for factory in evaluators]
    refusals.refuse_twins(final)
    if not (data.train.labels >= 0).any():
        refusals.refuse_labels_asked_for(final)
    return Parts(data, built, batches, monitors, final, trainer.hardware, trainer)
