"""Write a model as ONNX, preprocessing included, for use without this program.

Input: images, uint8 [batch, channels, height, width] of the model's size. Outputs: scores, the
probabilities of the classes, and embedding. Class names and image format are in its metadata. The
file is compared with the model by onnxruntime before it is kept. Needs requirements-export.txt.
"""

import argparse
from pathlib import Path

SAMPLE = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, the file, what to compare on."""
    add = parser.add_argument
    add("model", metavar="MODEL", help="model.mdl of an experiment's folder")
    add("out", type=Path, metavar="OUT.onnx", help="the file to write")
    add("--check", nargs="+", metavar="PATH", help="photos to compare on (files, folders, "
        f"patterns), of which the first {SAMPLE} that can be read are taken; default: drawn "
        "patterns")  # fmt: skip


def run(given: argparse.Namespace) -> None:
    """Write it, and say how near it is."""
    import numpy as np

    from fewshot import seeding
    from fewshot.console import say, show
    from fewshot.errors import UserError
    from fewshot.models.export import export
    from fewshot.models.prediction.decoded import decoded
    from fewshot.models.prediction.photos import Photos
    from fewshot.models.prediction.predictor import load

    if given.out.suffix.lower() != ".onnx":
        raise UserError(f"'{given.out}' does not end in .onnx: name the file so.")
    model = load(given.model)
    shape = model.image_format.shape
    if given.check:
        parts = (
            batch.images[[i for i in range(len(batch.photos)) if i not in batch.failures]]
            for batch in decoded(Photos(given.check), model.image_format)
        )
        images = next((part for part in parts if len(part)), np.zeros((0, *shape), np.uint8))
        images = images[:SAMPLE]
        if not len(images):
            raise UserError("--check names no photo that can be read: name others.")
    else:
        draw = seeding.generator("export")
        images = draw.integers(0, 256, (SAMPLE, *shape), dtype=np.uint8)
    voters = model.answers.voters
    if voters is not None and voters.refused is None:
        say(
            f"'{voters.large.place}' is left out: in the ONNX file, the gallery in the model's "
            "file votes"
        )
    difference = export(model, given.out, images)
    kind = "photos" if given.check else "drawn patterns"
    outputs = f"{len(model.class_names)} classes and " if model.class_names else ""
    taken = ", ".join(map(str, shape)) + ("], RGB" if shape[0] == 3 else "]")
    show(
        f"{given.out}: of uint8 images [N, {taken}, {outputs}the embedding; on {len(images)} "
        f"{kind} within {difference:.1g} of the model"
    )
