"""Two processes train what one does: every objective of the registry, and losses with a memory."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fewshot.binding.registrations import register_all
from fewshot.binding.registry import parameters, resolve, selectors, short, target
from fewshot.experiment.tensor_bytes import unsealed
from fewshot.objectives.objective import Objective

ROOT = Path(__file__).parents[2]
STEPS = 20
# of the way that a weight has come: a wrong factor of two in its gradient is half of that or all
OF_THE_WAY = 0.25
COMMON = [
    "SmallResNet.widths = (4,)",
    "Inputs.augment = [@HorizontalFlip]",
    "main.optimizer = @torch.optim.SGD",
    "torch.optim.SGD.lr = 0.0001",
    "TripletLoss.margin = 2.0",
    "main.evaluators = [@KNNClassification]",
    "main.select_by = 'validation/top1'",
    "main.validation_fraction = 0.29",
    "Hardware.precision = '32-true'",
    "Hardware.sync_batchnorm = True",
    "Hardware.accelerator = 'cpu'",
    "Trainer.validate_every = 5",
    "TripletBatches.batch_size = 10",
    "TripletBatches.triplets_per_epoch = 40",
    "BalancedBatches.classes_per_batch = 3",
    "BalancedBatches.images_per_class = 4",
    "BalancedBatches.batches_per_epoch = 4",
    "Episodes.episodes_per_epoch = 4",
    "Episodes.n_way = 3",
    "Episodes.n_shot = 2",
    "Episodes.n_query = 2",
    # 51 rows: a last batch of 9, which two processes share unevenly
    "ShuffledBatches.batch_size = 14",
    "ShuffledBatches.drop_last = False",
    "main.num_epochs = 5",
]
FEW_SHOT = {"n_way": 3, "n_shot": 2, "n_query": 2}
SAMPLERS = {
    "image": "ShuffledBatches",
    "anchor|positive|negative": "TripletBatches",
    "support|query": "Episodes",
}
# gradients so large that rounding errors grow at the common rate; a clip would hide a wrong factor
STEEP = {"VICReg": ["torch.optim.SGD.lr = 0.000001"]}
EARLY = "TransferNet"  # the one that is stopped early
STOPPED = ["Trainer.validate_every = 1", "Trainer.patience = 2", "main.num_epochs = 30"]
QUICK = ["main.evaluators = []", "main.select_by = 'last'"]
OF_PAIRS = ["main.sampler = @BalancedBatches"]
VARIANTS = {
    "multi_similarity": [*OF_PAIRS, "TripletNet.loss = @pml.MultiSimilarityLoss"],
    "mined": [
        *OF_PAIRS,
        "TripletNet.loss = @pml.TripletMarginLoss",
        "pml.TripletMarginLoss.margin = 1.0",
        "TripletNet.miner = @pml.BatchHardMiner",
    ],
    "proxies": ["main.sampler = @ShuffledBatches", "TripletNet.loss = @pml.ProxyAnchorLoss"],
    "arcface": ["main.sampler = @ShuffledBatches", "TripletNet.loss = @pml.ArcFaceLoss"],
    "memory": [
        *OF_PAIRS,
        "TripletNet.loss = @pml.CrossBatchMemory",
        "pml.CrossBatchMemory.loss = @pml.ContrastiveLoss()",
        "pml.CrossBatchMemory.memory_size = 30",
    ],
}


def objectives() -> list[str]:
    """Short names of every registered objective that trains."""
    register_all()
    kinds = {short(name): target(name) for name in selectors()}
    return sorted(
        name
        for name, kind in kinds.items()
        if isinstance(kind, type) and issubclass(kind, Objective) and kind.__module__ != __name__
    )


def bindings_of(name: str) -> list[str]:
    """What the objective needs to be trained on the little shop."""
    known = parameters(resolve(name))
    few = [f"{name}.{option} = {value}" for option, value in FEW_SHOT.items() if option in known]
    layout = "anchor|positive|negative" if "miner" in known else target(resolve(name)).layout
    return [
        f"main.objective = @{name}",
        f"{name}.encoder = @SmallResNet",
        f"main.sampler = @{SAMPLERS[layout]}",
        *few,
        *STEEP.get(name, []),
        *(STOPPED if name == EARLY else []),
    ]


def planned() -> dict[str, list[str]]:
    """The bindings of each run, besides those of all."""
    runs = {name: bindings_of(name) for name in objectives()}
    return runs | {
        name: bindings_of("TripletNet") + QUICK + more for name, more in VARIANTS.items()
    }


def list_runs(folder: Path, shop) -> Path:
    """The file that lists the arguments of every run, each in a folder of its name."""
    folder.mkdir()
    (folder / "empty.gin").write_text("")
    argvs = []
    for name, more in planned().items():
        bound = [*shop.bindings(), *COMMON, *more]
        options = ["-c", str(folder / "empty.gin"), "--name", name, "--output-dir", str(folder)]
        argvs.append([*options, *(word for line in bound for word in ("-p", line))])
    listed = folder / "runs.json"
    listed.write_text(json.dumps(argvs))
    return listed


def state(folder: Path) -> dict[str, torch.Tensor]:
    contents = unsealed((folder / "last.ckpt").read_bytes())["contents"]
    progress = contents["progress"]
    assert progress["stopped_early"] == (folder.name == EARLY)
    assert progress["total_steps"] == STEPS or progress["stopped_early"]
    found = contents["objective"]
    return {key: value for key, value in found.items() if isinstance(value, torch.Tensor)}


def told_apart(key, alone, shared, initial) -> bool:
    """Whether a weight moved by more than rounding; it must have come as far in both."""
    moved = (alone - initial).abs().max()
    rounding = 2 * torch.finfo(alone.dtype).eps * alone.abs().max()
    assert (alone - shared).abs().max() <= OF_THE_WAY * moved + rounding, key
    return bool(moved > 4 * rounding)


def figures(value, path=""):
    """The numbers of results.json by their path, times left out."""
    if isinstance(value, dict):
        return {
            k: v for key, inner in value.items() for k, v in figures(inner, f"{path}/{key}").items()
        }
    kept = isinstance(value, int | float) and "seconds" not in path
    return {path: value} if kept else {}


@pytest.fixture(scope="module")
def both(tmp_path_factory, shop):
    place = tmp_path_factory.mktemp("ranks")
    lists = [str(list_runs(place / name, shop)) for name in "12"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.distributed.runs", *lists],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return place / "1", place / "2"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", planned())
def test_two_processes_train_what_one_does(name, both):
    one, two = (folder / name for folder in both)
    alone, shared = state(one), state(two)
    assert alone.keys() == shared.keys()
    for key, value in alone.items():
        assert torch.allclose(value.double(), shared[key].double(), rtol=1e-5, atol=1e-5), key
    initial = torch.load(one / "initial.pt")
    weights = [key for key, value in alone.items() if value.is_floating_point() and value.numel()]
    apart = [told_apart(key, alone[key], shared[key], initial[key]) for key in weights]
    assert sum(apart) >= len(weights) / 2, "most of it should be seen to move"
    alone, shared = (figures(json.loads((f / "results.json").read_text())) for f in (one, two))
    assert alone == pytest.approx(shared, abs=1e-4)
    rows = [(f / "metrics.jsonl").read_text().splitlines() for f in (one, two)]
    for row, other in zip(*rows, strict=True):
        assert figures(json.loads(row)) == pytest.approx(figures(json.loads(other)), abs=1e-4)


def test_the_objectives_are_those_of_the_registry():
    assert {"TripletNet", "SimCLR", "PrototypicalNet", "AutoEncoder"} <= set(objectives())
