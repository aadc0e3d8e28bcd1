"""Which room a factory must come from: an encoder is no evaluator, a head no classifier."""

from typing import Any

import gin

from fewshot.binding.registry import short
from fewshot.binding.third_party import family_of
from fewshot.errors import UserError

# parameter -> (what it takes, the rooms and families that offer it)
_ROOMS = {
    "augment": ("an augmentation", ("fewshot.augmentation.",)),
    "classifier": ("a classifier", ("fewshot.objectives.classifiers.",)),
    "encoder": ("an encoder", ("fewshot.encoders.",)),
    "evaluators": ("evaluators", ("fewshot.evaluation.",)),
    "head": ("a head", ("fewshot.heads.",)),
    "heads": ("heads", ("fewshot.heads.",)),
    "importer": ("an importer", ("fewshot.data.importers.",)),
    "inputs": ("Inputs", ("fewshot.objectives.inputs.",)),
    "loss": ("a loss", ("pml.", "torch.nn.", "fewshot.objectives.")),
    "miner": ("a miner", ("pml.", "fewshot.objectives.miners.")),
    "objective": ("an objective", ("fewshot.objectives.",)),
    "optimizer": ("an optimiser", ("torch.optim.", "pytorch_optimizer.", "fewshot.training.")),
    "sampler": ("a sampler", ("fewshot.data.samplers.",)),
    "schedule": ("a schedule", ("torch.optim.lr_scheduler.", "fewshot.training.")),
    "test_rows": ("a selection of rows", ("fewshot.data.",)),
    "train_rows": ("a selection of rows", ("fewshot.data.",)),
    "transforms": ("augmentations", ("fewshot.augmentation.",)),
}


def check_kind(name: str, parameter: str, value: Any) -> None:
    """Raise UserError for a factory of ours, or of a listed library, of another kind.

    What a plug-in offers is of any kind.
    """
    if parameter not in _ROOMS:
        return
    what, rooms = _ROOMS[parameter]
    for reference in gin.config.iterate_references({"": value}):
        full = reference.configurable.selector
        family = family_of(full)
        known = family is not None or full.startswith("fewshot.")
        misplaced = parameter == "optimizer" and family == "torch.optim.lr_scheduler"
        if known and (misplaced or not full.startswith(rooms)):
            places = " and ".join(room.strip(".").removeprefix("fewshot.") for room in rooms)
            raise UserError(
                f"{name} is @{short(full)}, which is not {what}: bind one of {places} (`--list`)."
            )
