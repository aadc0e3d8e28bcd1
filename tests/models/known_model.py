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


def little_run():
    """(the objective, its training rows): 16 x 16 RGB images of bags, hats and socks."""
    torch.manual_seed(0)
    facts = replace(spec(size=SIZE, channels=3), resize="stretch")
    train = FakeDataset(images(18, 3, SIZE, seed=1), [name for name in CLASSES for _ in range(6)])
    return TransferNet(facts, ToyEncoder).eval(), train


def write_model(path):
    """The model file that the little run leaves."""
    objective, train = little_run()
    save_model(objective, path)
    with torch.inference_mode():
        add_extras(path, kept(objective, {"train": train}, [], []))
    return path
