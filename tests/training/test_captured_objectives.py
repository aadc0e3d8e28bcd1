"""Which objectives' steps can be recorded, and that replays do what ordinary steps do."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch
from lightning_fabric import Fabric
from pytorch_metric_learning import losses

from fewshot import seeding
from fewshot.batch import Batch
from fewshot.binding.config import load
from fewshot.objectives.autoencoder import AutoEncoder
from fewshot.objectives.byol import BYOL
from fewshot.objectives.exemplar_net import ExemplarNet
from fewshot.objectives.matching_net import MatchingNet
from fewshot.objectives.miners import BatchHard
from fewshot.objectives.mixing import CutMix, MixUp
from fewshot.objectives.prototypical_net import PrototypicalNet
from fewshot.objectives.rotation_net import RotationNet
from fewshot.objectives.simclr import SimCLR
from fewshot.objectives.transfer_net import TransferNet
from fewshot.objectives.triplet_net import TripletNet
from fewshot.objectives.vicreg import VICReg
from fewshot.training.capture import CapturedStep
from fewshot.training.capturing import _hindrance
from fewshot.training.step import TrainingStep
from tests.objectives.toy import CLASSES, ToyEncoder, images, spec
from tests.training.tape import Tape
from tests.training.test_capture import Refusing

CPU = torch.device("cpu")
STEPS, SIZE = 11, 12
EPISODES = {"n_way": 2, "n_shot": 2, "n_query": 4}


@pytest.fixture(autouse=True, scope="module")
def augmented():
    load([], ["Inputs.augment = [@RandomCrop, @HorizontalFlip]", "RandomCrop.padding = 1"])


def batches():
    """Batches of twelve that are episodes of two classes, triplets, and balanced, all at once."""
    drawn = torch.Generator().manual_seed(1)
    for step in range(STEPS):
        first, second = torch.randperm(len(CLASSES), generator=drawn)[:2].tolist()
        labels = torch.tensor([first] * 2 + [second] * 2 + [first] * 4 + [second] * 4)
        positions = torch.arange(SIZE) + step * SIZE
        keys = torch.stack([torch.full_like(positions, 3), torch.zeros_like(positions), positions])
        yield Batch(images(SIZE, seed=step), labels, positions % 30, keys.T.contiguous())


def run(make, recorder):
    """(objective, logs, why it was refused) after some steps."""
    torch.manual_seed(2)
    objective = make(spec(), ToyEncoder)
    if isinstance(objective, TripletNet):
        objective.guard.window = 4
    optimizer = torch.optim.SGD(objective.parameter_groups(), lr=0.01, momentum=0.9)
    step = TrainingStep(Fabric(accelerator="cpu", devices=1), objective, optimizer, None)
    reasons, logs = [], []
    captured = CapturedStep(step, recorder, CPU, False, reasons.append)
    objective.train()
    for number, batch in enumerate(captured.foreseen(batches())):
        seeding.reseed(1, 0, number, 0)
        found = captured(batch, number, STEPS)
        logs.append({name: float(value) for name, value in found.items()})
    return objective, logs, reasons


def proxies(loss, miner=None):
    return partial(TripletNet, loss=loss, miner=miner)


OBJECTIVES = {
    "transfer": (TransferNet, STEPS),
    "mixup": (partial(TransferNet, mix=MixUp), STEPS),
    "cutmix": (partial(TransferNet, mix=CutMix), STEPS),
    # some of the eleven batches are not mixed
    "cutmix at times": (partial(TransferNet, mix=partial(CutMix, probability=0.6)), STEPS - 2),
    # the guard looks closely at the first of every four
    "triplet": (TripletNet, STEPS - 3),
    "softmax of proxies": (proxies(losses.NormalizedSoftmaxLoss), STEPS - 3),
    "prototypical": (partial(PrototypicalNet, **EPISODES), STEPS),
    "matching": (partial(MatchingNet, **EPISODES), STEPS),
    "simclr": (partial(SimCLR, hidden_size=8, projection_size=4), STEPS),
    "vicreg": (partial(VICReg, hidden_size=8, projection_size=4), STEPS),
    "byol": (partial(BYOL, hidden_size=8, projection_size=4), STEPS),
    "rotation": (RotationNet, STEPS),
    "exemplar": (ExemplarNet, STEPS),
    "autoencoder": (AutoEncoder, STEPS),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_step_of_an_objective_is_recorded_and_learns_as_ever(name):
    make, recordable = OBJECTIVES[name]
    tape = Tape()
    objective, logs, reasons = run(make, tape)
    assert reasons == []
    assert _hindrance_of(objective) == ""
    assert (tape.recorded, tape.replays) == (1, recordable - 3)
    other, expected, _ = run(make, Refusing())
    assert logs == expected
    state = other.state_dict()
    for key, value in objective.state_dict().items():
        assert not isinstance(value, torch.Tensor) or torch.equal(value, state[key]), key


def _hindrance_of(objective):
    fabric = SimpleNamespace(world_size=1)
    return _hindrance(objective, SimpleNamespace(compiled=False, fabric=fabric))


def memory(embedding_size):
    return losses.CrossBatchMemory(losses.ContrastiveLoss(), embedding_size, memory_size=48)


@pytest.mark.parametrize(
    ("loss", "miner", "reason"),
    [
        (losses.TripletMarginLoss, None, "it reads a number back (.item())"),
        (losses.TripletMarginLoss, BatchHard, "its shapes depend on values (nonzero)"),
        (losses.ArcFaceLoss, None, "its shapes depend on values (a mask as index)"),
        (memory, None, "its shapes depend on values (nonzero)"),
    ],
)
def test_what_a_library_picks_by_values_is_noticed(loss, miner, reason):
    tape = Tape()
    _, logs, reasons = run(proxies(loss, miner=miner), tape)
    assert reasons == [reason]
    assert tape.recorded == 0 and len(logs) == STEPS


class Teaching(BYOL):
    """A plug-in whose own before_step may change what forward reads."""

    def before_step(self, step, total_steps):
        super().before_step(step, total_steps)


class Silent(BYOL):
    """A plug-in that leaves before_step as it was."""


class Telling(Teaching):
    """One that says of its own that forward ignores it."""

    recordable_before_step = True

    def before_step(self, step, total_steps):
        super().before_step(step, total_steps)


@pytest.mark.parametrize(("kind", "recordable"), [(Teaching, 0), (Silent, 1), (Telling, 1)])
def test_a_before_step_is_recordable_only_where_its_own_class_says_so(kind, recordable):
    objective = kind(spec(), ToyEncoder, hidden_size=8, projection_size=4)
    assert (_hindrance_of(objective) == "") == bool(recordable)
