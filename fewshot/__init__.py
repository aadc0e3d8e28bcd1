"""A gin-configured experiment runner for fashion images: few-shot and metric learning.

`fewshot.load("model.mdl")` is a trained model, ready to predict; see models/prediction.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fewshot.models.prediction.predictor import load as load


def __getattr__(name: str) -> Any:
    """`fewshot.load`, whose imports take seconds, only where it is asked for (PEP 562)."""
    if name != "load":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fewshot.models.prediction.predictor import load

    return load
