"""Fabric and torch's optimisers do without the compiler until somebody compiles."""

import contextlib
import json
import subprocess
import sys

import torch
from lightning_fabric import wrappers
from torch import nn

from fewshot.binding.third_party import FAMILIES
from fewshot.training.fabric import compiler_idle

# What every optimiser of torch makes of a weight.
STEPS = """
import json, sys
import torch
from fewshot.training.fabric import Fabric, compiler_idle

def steps(names, around):
    found = {}
    for name in names:
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(3, 4))
        made = getattr(torch.optim, name)([weight], lr=0.1)
        fabric = Fabric(accelerator="cpu", devices=1)
        _, optimizer = fabric.setup(torch.nn.ParameterList([weight]), made)
        for _ in range(3):
            weight.square().sum().backward()
            with around(made):
                optimizer.step()
            optimizer.zero_grad()
        made.load_state_dict(made.state_dict())
        found[name] = weight.tolist()
    return found
"""
IDLE = """
found = steps(sys.argv[1:], compiler_idle)
print(json.dumps([found, "torch._dynamo" in sys.modules, "torchvision" in sys.modules]))
"""


def test_every_optimiser_steps_as_ever_and_imports_no_compiler():
    names = FAMILIES["torch.optim"].names
    done = subprocess.run(
        [sys.executable, "-c", STEPS + IDLE, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    weights, compiler, torchvision = json.loads(done.stdout)
    assert not compiler
    assert not torchvision
    room: dict = {}
    exec(STEPS, room)
    assert weights == room["steps"](names, contextlib.nullcontext)
    assert set(weights) == set(names)


def test_a_compiled_module_is_still_told_from_others():
    plain = nn.Linear(2, 2)
    compiled = torch.compile(plain)
    assert wrappers._unwrap_compiled(compiled)[0] is plain
    assert wrappers._unwrap_compiled(plain)[0] is plain


def test_a_compiler_that_is_in_use_stays_in_its_place():
    import torch._dynamo as compiler

    with compiler_idle(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)):
        assert sys.modules["torch._dynamo"] is compiler
