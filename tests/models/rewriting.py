"""Model files rewritten: as the first version of the format wrote them, or with changes."""

import torch

from fewshot.models.digest import digest_of


def rewrite(path, change):
    """Let `change` alter the content in place, and give it the digest that belongs to it."""
    content = torch.load(path, weights_only=True)
    del content["digest"]
    change(content)
    torch.save(content | {"digest": digest_of(content)}, path)


def downgrade(path):
    """Rewrite a file of today in the form of version 1, with the names of then."""
    content = torch.load(path, weights_only=True)
    classifier, projection = content["classifier"], content["projection"]
    head = {"name": "", "arguments": {}, "state": {}}
    if classifier is not None:
        head["name"] = classifier["name"].replace("Classifier", "Head")
        head["arguments"] = classifier["arguments"]
        head["state"] = {f"head.{key}": value for key, value in classifier["state"].items()}
    head["state"] |= {
        f"head.{key.removeprefix('classifier.')}" if key.startswith("classifier.") else key: value
        for key, value in content["rest"].items()
    }
    if projection is not None:
        head["state"]["normalized"] = torch.tensor(projection["arguments"]["normalize"])
        head["state"] |= {
            key.replace("linear.", "projection."): value
            for key, value in projection["state"].items()
        }
    inputs = content["inputs"]
    old = {
        "format": "fewshot model",
        "version": 1,
        "head": head,
        "image_size": content["images"]["size"],
        "input_size": inputs["size"],
        **{key: inputs[key] for key in ("channels", "mean", "std")},
    }
    kept = ("objective", "encoder", "class_names", "trained_classes", "trained_images")
    torch.save(old | {key: content[key] for key in (*kept, "csv_digest")}, path)
