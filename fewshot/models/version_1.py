"""Model files of format version 1, as what version 2 would hold of them."""

from typing import Any

import torch

from fewshot.models.fields import FieldError

# what version 1 called heads are classifiers since
_CLASSIFIERS = {
    f"{kind}Head": f"{kind}Classifier"
    for kind in ("Linear", "TwoLayer", "ThreeLayer", "Cosine", "Identity")
}
_OWN_CLASSIFIER = ("TransferNet", "RotationNet", "ExemplarNet")
_SAME = ("objective", "encoder", "class_names", "csv_digest")


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a file of version 1 in the form of version 2; its values are not checked.

    Raises FieldError where it is not what version 1 wrote.
    """
    try:
        head = content["head"]
        name, arguments, state = head["name"], head["arguments"], dict(head["state"])
        new = {key: content[key] for key in _SAME}
        inputs = {
            "size": content["input_size"],
            **{key: content[key] for key in ("channels", "mean", "std")},
        }
        images = {"size": content["image_size"], "channels": None, "resize": None}
        parts = _parts(new["objective"], name, arguments, state)
    except (LookupError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise FieldError(f"it is incomplete: {type(error).__name__} {error}") from error
    # absent in the first files
    trained = {
        "trained_classes": content.get("trained_classes", content["class_names"]),
        "trained_images": content.get("trained_images", torch.zeros(0, dtype=torch.int64)),
    }
    added = {"images": images, "inputs": inputs, "embeds": True, "extras": {}}
    return {**new, **parts, **trained, **added}


def _parts(
    objective: str, name: str, arguments: dict[str, Any], state: dict[str, Any]
) -> dict[str, Any]:
    """Classifier, projection and rest of what version 1 kept together as the head's state."""
    classifier = projection = None
    if name:
        own = _taken(state, "head.")
        name = _CLASSIFIERS.get(name, name)
        classifier = {"name": name, "arguments": arguments, "state": own}
    elif objective in _OWN_CLASSIFIER:
        state |= {f"classifier.{key}": value for key, value in _taken(state, "head.").items()}
    if objective == "TripletNet":
        layer = _taken(state, "projection.")
        # without a layer the number of features is not told, and not needed
        size, features = layer["weight"].shape if layer else (None, 0)
        normalize = bool(state.pop("normalized"))
        projection = {
            "name": "Projection",
            "arguments": {"num_features": features, "size": size, "normalize": normalize},
            "state": {f"linear.{key}": value for key, value in layer.items()},
        }
    return {"classifier": classifier, "projection": projection, "rest": state}


def _taken(state: dict[str, Any], prefix: str) -> dict[str, Any]:
    """What has the prefix, moved out of the state, by names without it."""
    names = [key for key in state if key.startswith(prefix)]
    return {key.removeprefix(prefix): state.pop(key) for key in names}
