"""Methods from beside a config, one module and one .gin each, work with no edit anywhere else."""

import contextlib
import io

import pytest
import torch

import experiment
from fewshot.experiment.tensor_bytes import unsealed
from fewshot.models.load import load
from fewshot.models.model_file import load_model
from fewshot.training.step import TrainingStep
from tests.test_main import SMALL, results

TEACHER = '''
import copy
import math

import gin
from torch import nn
from torch.nn import functional as F

from fewshot.objectives.objective import Objective
from fewshot.objectives.views import view_keys


@gin.register
class MomentumTeacher(Objective):
    """BYOL (https://arxiv.org/abs/2006.07733): predict what a slower copy makes of another view."""

    unsaved = ("teacher",)

    def __init__(self, spec, encoder=None, inputs=None, momentum=0.9):
        super().__init__(spec, encoder, inputs)
        self.predictor = nn.Linear(self.encoder.num_features, self.encoder.num_features)
        self.teacher = copy.deepcopy(self.encoder).requires_grad_(False)
        self.momentum = momentum
        self.kept = momentum

    def before_step(self, step, total_steps):
        done = (1 + math.cos(math.pi * step / total_steps)) / 2
        self.kept = 1 - (1 - self.momentum) * done

    def forward(self, batch):
        one, two = (
            self.inputs.normalise(self.augment(batch.images, view_keys(batch.keys, view)))
            for view in range(2)
        )
        agreement = F.cosine_similarity(self.predictor(self.encoder(one)), self.teacher(two))
        return 2 - 2 * agreement.mean(), {}

    def after_step(self):
        for slow, fast in zip(self.teacher.parameters(), self.encoder.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.kept)
'''

TWO_SIZES = '''
import gin
from torch.nn import functional as F

from fewshot.objectives.objective import Objective


@gin.register
class SmallInLarge(Objective):
    """A small view has the features of the large one that it is a part of."""

    def __init__(self, spec, encoder=None, inputs=None, small=None):
        super().__init__(spec, encoder, inputs)
        self.small = small(spec)

    def forward(self, batch):
        large = self.encoder(self.inputs.normalise(self.augment(batch.images, batch.keys)))
        view = self.small.normalise(self.small.augment(batch.images, batch.keys))
        assert view.shape[-2:] == (8, 8), view.shape
        return 1 - F.cosine_similarity(self.encoder(view), large.detach()).mean(), {}
'''

CONFIG = """
import {module}
include 'configs/simclr.gin'
main.objective = @{method}
{method}.encoder = %encoder
"""

SMALL_VIEWS = """
SmallInLarge.small = @small/Inputs
small/Inputs.size = (8, 8)
small/Inputs.augment = [@small/RandomResizedCrop, @HorizontalFlip]
small/RandomResizedCrop.size = (8, 8)
small/RandomResizedCrop.scale = (0.1, 0.4)
"""


def written(folder, module: str, source: str, method: str, more: str = "") -> str:
    """The config of a method that lies beside it."""
    (folder / f"{module}.py").write_text(source)
    path = folder / f"{module}.gin"
    path.write_text(CONFIG.format(module=module, method=method) + more)
    return str(path)


def command(config: str, shop, tmp_path, name: str) -> list[str]:
    bindings = [*shop.bindings(), *SMALL, "Trainer.checkpoint_steps = 1"]
    told = [word for binding in bindings for word in ("-p", binding)]
    return ["-c", config, *told, "--name", name, "--output-dir", str(tmp_path)]


def start(arguments: list[str]) -> int:
    with contextlib.redirect_stdout(io.StringIO()):
        return experiment.run(arguments)


@pytest.fixture
def teacher(tmp_path) -> str:
    return written(tmp_path, "momentum_teacher", TEACHER, "MomentumTeacher")


def checkpoint(folder):
    return unsealed((folder / "last.ckpt").read_bytes())["contents"]


def tensors(state, path=""):
    """Every tensor of nested dicts and lists, by its place."""
    if isinstance(state, torch.Tensor):
        return {path: state}
    parts = state.items() if isinstance(state, dict) else enumerate(state)
    nested = [
        tensors(part, f"{path}/{key}")
        for key, part in parts
        if isinstance(part, (torch.Tensor, dict, list, tuple))
    ]
    return {place: tensor for found in nested for place, tensor in found.items()}


def test_a_momentum_teacher_goes_on_bit_for_bit_and_is_not_saved(
    teacher, shop, tmp_path, monkeypatch
):
    assert start(command(teacher, shop, tmp_path, "whole")) == 0
    step, total = TrainingStep.__call__, []

    def stopped(self, batch, number, total_steps):
        if number == 5:
            raise KeyboardInterrupt
        total.append(total_steps)
        return step(self, batch, number, total_steps)

    monkeypatch.setattr(TrainingStep, "__call__", stopped)
    assert start(command(teacher, shop, tmp_path, "parted")) == 130
    monkeypatch.undo()
    assert len(total) == 5
    assert set(total) == {6}
    assert start(["--resume", str(tmp_path / "parted")]) == 0

    whole, parted = (tmp_path / name for name in ("whole", "parted"))
    one, two = (load_model(folder / "model.mdl").tensors() for folder in (whole, parted))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not [name for name in one if "teacher" in name]
    assert [name for name in one if name.startswith("predictor.")]
    one, two = (tensors(checkpoint(folder)) for folder in (whole, parted))
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []
    teachers = [name for name in one if name.startswith("/objective/teacher.")]
    pairs = [(one[name], one[name.replace("teacher.", "encoder.")]) for name in teachers]
    assert any(not torch.equal(slow, fast) for slow, fast in pairs), (
        "it moves slower than its pupil"
    )
    assert results(whole)["test"] == results(parted)["test"]


def test_views_of_two_sizes_take_a_second_inputs(shop, tmp_path):
    config = written(tmp_path, "small_in_large", TWO_SIZES, "SmallInLarge", SMALL_VIEWS)
    assert start(command(config, shop, tmp_path, "sizes")) == 0
    assert "knn_top1" in results(tmp_path / "sizes")["test"]
    assert load(tmp_path / "sizes" / "model.mdl").image_size == (16, 16)
