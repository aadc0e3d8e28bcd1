"""A model as one ONNX file, preprocessing included, compared with the model before it is kept."""

import json
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fewshot.data.images.decode import UInt8Array
from fewshot.errors import UserError
from fewshot.experiment.files import write_atomically
from fewshot.models.prediction.answers import Answers
from fewshot.models.prediction.predictor import Predictor

REQUIREMENTS = "requirements-export.txt"
MODULES = ("onnx", "onnxruntime", "onnxscript")
TOLERANCE = 1e-4  # relative to the largest value, where that is above 1
OPSET = 18


class Exported(nn.Module):
    """Images uint8 [B, C, H, W] -> probabilities float32 [B, classes] and embeddings [B, D].

    Of a model without classes, the embeddings alone. A gallery beside the file is left out: the
    classes are those of the file.
    """

    def __init__(self, model: Predictor) -> None:
        super().__init__()
        self.module = model.module
        self.answers = Answers(model.module, model.extras).traceable()
        self.names = ("scores", "embedding") if self.answers.class_names else ("embedding",)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The outputs in the order of `names`."""
        if len(self.names) == 1:
            return (self.module.embed(images).float(),)
        features, likely = self.answers(images)
        return likely.float(), features


def export(model: Predictor, path: Path, images: UInt8Array) -> float:
    """Write the ONNX file; the largest difference that was found on images [N, C, H, W].

    input `images`, uint8 [batch, C, H, W] of image_format; outputs as Exported has them, by name.
    Its metadata hold class_names, threshold, image_size, channels, resize and items_on_black (see
    ImageFormat) as JSON. Raises UserError where a library is missing, and where onnxruntime does
    not answer as torch does; nothing is written then.
    """
    for name in MODULES:
        _imported(name)
    module = Exported(model).cpu().eval()
    found: list[float] = []

    def write(part: Path) -> None:
        _program(module, images, _metadata(model, module.answers)).save(
            str(part), external_data=False
        )
        found.append(_difference(module, part, images))

    write_atomically(path, write)
    return found[0]


def _imported(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UserError(
            f"export needs {name}, which is not installed: python -m pip install -r {REQUIREMENTS}"
        ) from error


def _metadata(model: Predictor, answers: Answers) -> dict[str, str]:
    wanted = model.image_format
    facts = {
        "class_names": answers.class_names,
        "threshold": model.threshold,
        "image_size": wanted.size,
        "channels": wanted.channels,
        "resize": wanted.resize,
        "items_on_black": wanted.items_on_black,
        "objective": model.module.stored.objective,
    }
    return {name: json.dumps(value, ensure_ascii=False) for name, value in facts.items()}


def _program(module: Exported, images: UInt8Array, metadata: dict[str, str]) -> Any:
    example = torch.from_numpy(np.resize(images, (2, *images.shape[1:])))
    quiet = logging.getLogger("torch.onnx")
    before = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # what the exporter's own libraries deprecate
            program = torch.onnx.export(
                module,
                (example,),
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=list(module.names),
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                verbose=False,
            )
    finally:
        quiet.setLevel(before)
    assert program is not None
    program.model.metadata_props.update(metadata)
    return program


def _difference(module: Exported, path: Path, images: UInt8Array) -> float:
    """Largest difference between onnxruntime and torch, for one image and for all."""
    runtime = _imported("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    largest = 0.0
    for part in (images[:1], images):
        theirs = session.run(list(module.names), {"images": np.ascontiguousarray(part)})
        with torch.inference_mode():
            ours = module(torch.from_numpy(np.array(part)))
        for mine, other in zip(ours, theirs, strict=True):
            scale = max(1.0, float(mine.abs().max()))
            largest = max(largest, float((mine - torch.from_numpy(other)).abs().max()) / scale)
    if not largest <= TOLERANCE:
        raise UserError(
            f"onnxruntime answers otherwise than the model, by up to {largest:.2g} where "
            f"{TOLERANCE:g} is allowed: {path.name} is not written. Its encoder has an operation "
            "that ONNX computes in another way."
        )
    return largest
