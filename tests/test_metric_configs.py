"""Every experiment of configs/metric: its loss and miner are built, stepped, and starved."""

from pathlib import Path

import gin
import numpy as np
import pytest
import torch

from fewshot.batch import Batch, DataSpec
from fewshot.binding import config
from fewshot.objectives.semi_hard_loss import in_closed_form
from fewshot.seeding import generator

FOLDER = Path("configs/metric")
INGREDIENTS = {"base.gin", "balanced.gin", "protocol.gin"}
EXPERIMENTS = [path for path in sorted(FOLDER.rglob("*.gin")) if path.name not in INGREDIENTS]
LABELLED = [path for path in EXPERIMENTS if path.stem not in ("classifier", "random")]
NAMES = tuple("abcdefgh")
SPEC = DataSpec(NAMES, 1, (12, 12), (0.5,), (0.25,), rows=64)
SMALL = [
    "SmallResNet.widths = (8, 16)",
    "BalancedBatches.classes_per_batch = 4",
    "BalancedBatches.images_per_class = 4",
    "BalancedBatches.batches_per_epoch = 4",
    "ShuffledBatches.batch_size = 16",
    "TripletBatches.batch_size = 16",
    "TripletBatches.triplets_per_epoch = 64",
    "FashionDataset.root_dir = 'shop'",
]


def name(path):
    return str(path.relative_to(FOLDER).with_suffix(""))


def build(path):
    """The objective and the sampler as main builds them."""
    config.load([str(path)], SMALL)
    torch.manual_seed(0)
    bound = gin.get_bindings("main")
    labels = np.arange(64) % 8
    sampler = bound.get("sampler", gin.get_configurable("ShuffledBatches"))
    return bound["objective"](SPEC), sampler(labels=labels, class_names=NAMES, seed=0)


def batch_of(rows, labels=None):
    index = torch.from_numpy(rows)
    labels = index % 8 if labels is None else labels
    # brightness says the class, noise hides it
    noise = generator(0, *rows.tolist()).integers(0, 80, (len(rows), 1, 12, 12))
    images = (noise + 24 * labels.numpy()[:, None, None, None]).astype(np.uint8)
    keys = torch.stack([index * 0, index * 0, torch.arange(len(rows))], dim=1)
    return Batch(torch.from_numpy(images), labels, index, keys)


def step(objective, batch):
    optimizer = torch.optim.SGD(objective.parameter_groups(), lr=0.01)
    before = [parameter.detach().clone() for parameter in objective.parameters()]
    loss, logs = objective(batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    moved = [
        not torch.equal(old, new) for old, new in zip(before, objective.parameters(), strict=True)
    ]
    finite = all(bool(torch.isfinite(p).all()) for p in objective.parameters())
    return loss.item(), {key: float(value) for key, value in logs.items()}, any(moved), finite


def test_the_folder_has_the_five_and_what_they_are_held_against():
    five = {"semi_hard", "batch_hard", "multi_similarity", "proxy_anchor", "arcface"}
    found = {name(path) for path in EXPERIMENTS}
    assert found == (
        five | {"classifier", "fashion_products/random"} | {f"fashion_products/{n}" for n in five}
    )
    for path in EXPERIMENTS:
        header = [line for line in path.read_text().splitlines() if line.startswith("#")]
        text = " ".join(header)
        assert f"command   python experiment.py -c {path}" in text
        assert "run time" in text
        assert "result" in text


@pytest.mark.parametrize("path", EXPERIMENTS, ids=name)
def test_what_a_config_binds_is_built_and_stepped(path):
    objective, sampler = build(path)
    assert sampler.layout == objective.layout
    loss, logs, moved, finite = step(objective, batch_of(sampler.batches(0)[0]))
    assert loss > 0
    assert moved
    assert finite
    assert logs.get("empty", 0) == 0
    assert logs.get("mined", 1) > 0


@pytest.mark.parametrize("labels", ["all different", "all alike"])
@pytest.mark.parametrize("path", LABELLED, ids=name)
def test_a_batch_without_a_valid_triplet_is_a_zero_loss_and_a_count(path, labels):
    objective, _ = build(path)
    truth = torch.arange(8) if labels == "all different" else torch.zeros(8, dtype=torch.int64)
    loss, logs, moved, finite = step(objective, batch_of(np.arange(8), truth))
    assert finite
    assert logs["empty"] == 1
    # proxies are there to compare with, whatever the batch holds
    has_proxies = len(list(objective.loss.parameters())) > 0
    assert (loss > 0) == has_proxies
    assert moved == has_proxies


@pytest.mark.parametrize("path", [FOLDER / "semi_hard.gin", FOLDER / "batch_hard.gin"], ids=name)
def test_the_loss_of_semi_hard_triplets_as_bound_is_in_closed_form(path):
    objective, _ = build(path)
    bound = in_closed_form(objective.loss, objective.miner, torch.zeros(1, 2))
    assert bound == (path.stem == "semi_hard")
