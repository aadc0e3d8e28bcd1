"""Files as the first version of the format wrote them."""

import torch


def downgrade(path):
    """Rewrite a file of today in the form of version 1, with the names of then."""
    content = torch.load(path, weights_only=True)
    classifier, rest = content.pop("classifier"), content.pop("rest")
    head = {"name": "", "arguments": {}, "state": {}}
    if classifier is not None:
        head["name"] = classifier["name"].replace("Classifier", "Head")
        head["arguments"] = classifier["arguments"]
        head["state"] = {f"head.{key}": value for key, value in classifier["state"].items()}
    head["state"] |= {
        f"head.{key.removeprefix('classifier.')}" if key.startswith("classifier.") else key: value
        for key, value in rest.items()
    }
    torch.save(content | {"version": 1, "head": head}, path)
