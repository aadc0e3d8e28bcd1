"""A little untrained classifier with everything that a run keeps."""

from dataclasses import replace

import torch

from fewshot.evaluation.kept import kept
from fewshot.models.extras import add_extras
from fewshot.models.model_file import save_model
from fewshot.objectives.transfer_net import TransferNet
from tests.evaluation.fakes import FakeDataset
from tests.objectives.toy import CLASSES, ToyEncoder, images, spec

SIZE = (16, 16)


def write_model(path):
    """A model of 16 x 16 RGB images of bags, hats and socks."""
    torch.manual_seed(0)
    facts = replace(spec(size=SIZE, channels=3), resize="stretch")
    objective = TransferNet(facts, ToyEncoder).eval()
    save_model(objective, path)
    train = FakeDataset(images(18, 3, SIZE, seed=1), [name for name in CLASSES for _ in range(6)])
    with torch.inference_mode():
        add_extras(path, kept(objective, {"train": train}, [], []))
    return path
