"""Model files of format version 1, as what version 2 would hold of them."""

from typing import Any

import torch

# what version 1 called heads are classifiers since
_CLASSIFIERS = {
    f"{kind}Head": f"{kind}Classifier"
    for kind in ("Linear", "TwoLayer", "ThreeLayer", "Cosine", "Identity")
}
_OWN_CLASSIFIER = ("TransferNet", "RotationNet", "ExemplarNet")


def upgraded(content: dict[str, Any]) -> dict[str, Any]:
    """The content of a file of version 1 in the form of version 2.

    Raises KeyError, TypeError or AttributeError where it is not what version 1 wrote.
    """
    new = {key: value for key, value in content.items() if key != "head"}
    head = content["head"]
    state = head["state"]
    new["classifier"] = None
    if head["name"]:
        own = {key[5:]: value for key, value in state.items() if key.startswith("head.")}
        name = _CLASSIFIERS.get(head["name"], head["name"])
        new["classifier"] = {"name": name, "arguments": head["arguments"], "state": own}
        state = {key: value for key, value in state.items() if not key.startswith("head.")}
    elif content["objective"] in _OWN_CLASSIFIER:
        state = {
            f"classifier.{key[5:]}" if key.startswith("head.") else key: value
            for key, value in state.items()
        }
    new["rest"] = state
    # absent in the first files
    new.setdefault("trained_classes", content["class_names"])
    new.setdefault("trained_images", torch.zeros(0, dtype=torch.int64))
    return new
