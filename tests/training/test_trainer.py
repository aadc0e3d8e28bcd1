import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.tensor_bytes import unsealed
from fewshot.seeding import reseed
from fewshot.training.checkpoint import Checkpoints
from fewshot.training.hardware import Hardware
from tests.distributed.meeting import two_meet
from tests.training.tiny_training import (
    TinyDataset,
    TinyNet,
    TinySampler,
    cpu_trainer,
    figures,
    make_fit,
    same_states,
)

STEPS = 12  # 3 epochs of 4 batches


@pytest.fixture(scope="module")
def trainer():
    return cpu_trainer(precision="32-true")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody interrupted."""
    fit = make_fit(tmp_path_factory.mktemp("whole") / "run", schedule=_one_cycle)
    summary = cpu_trainer(precision="32-true").fit(fit)
    return fit, summary


def _one_cycle(optimizer, total_steps):
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=total_steps)


def _without_seconds(folder):
    rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def test_follows_a_plain_loop(whole):
    fit, summary = whole
    net, dataset, sampler = TinyNet(), TinyDataset(), TinySampler()
    optimizer = torch.optim.Adam(net.parameter_groups(), lr=0.01)
    schedule = _one_cycle(optimizer, STEPS)
    losses = []
    for epoch in range(3):
        first, total = 0, 0.0
        for step, rows in enumerate(sampler.batches(epoch)):
            reseed(5, epoch, step, 0)
            batch = fit.objective.seen[epoch * 4 + step]
            assert batch.rows.tolist() == rows.tolist()
            assert batch.labels.tolist() == dataset.labels[rows].tolist()
            assert batch.keys.tolist() == [[5, epoch, first + i] for i in range(len(rows))]
            assert torch.equal(batch.images, dataset.images(rows))
            loss, _ = net(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            first += len(rows)
            total += loss.item() * len(rows)
        losses.append(total / len(dataset))
    for name, value in net.state_dict().items():
        if name != "steps_seen":
            assert torch.allclose(value, fit.objective.state_dict()[name], atol=1e-5), name
    assert fit.objective.steps_seen == STEPS
    trained = [row for row in summary.history if row["split"] == "train"]
    assert [row["loss"] for row in trained] == pytest.approx(losses, rel=1e-4)
    assert [row["epoch"] for row in trained] == [1, 2, 3]
    assert [row["step"] for row in trained] == [4, 8, 12]
    assert trained[0]["lr"] == pytest.approx(summary.history[0]["lr"])
    assert summary.epochs == summary.best_epoch == 3
    assert summary.selected_by == "last"
    assert same_states(torch.load(fit.folder.model), fit.objective.state_dict())


@pytest.mark.parametrize("checkpoint_steps", [None, 3])
@pytest.mark.parametrize("death", [2, 5, 8, 11])
def test_a_run_cut_at_any_step_ends_bit_identical(tmp_path, whole, death, checkpoint_steps):
    reference, _ = whole
    trainer = cpu_trainer(precision="32-true", checkpoint_steps=checkpoint_steps)
    fit = make_fit(tmp_path / "run", TinyNet(die_at=death), schedule=_one_cycle)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(fit)
    with fit.folder.metrics.open("a") as file:
        file.write('{"split": "train", "epoch": 99}\n')  # logged, and then killed
    again = make_fit(tmp_path / "run", TinyNet(), schedule=_one_cycle, resume=True)
    summary = trainer.fit(again)
    saved = death // 4 * 4 if checkpoint_steps is None else max(death // 3 * 3, death // 4 * 4)
    assert again.objective.forwards == STEPS - saved
    assert same_states(again.objective.state_dict(), reference.objective.state_dict())
    assert _without_seconds(again.folder) == _without_seconds(reference.folder)
    assert again.folder.model.read_bytes() == reference.folder.model.read_bytes()
    assert summary.epochs == 3


def test_a_finished_run_is_not_trained_again(tmp_path, trainer):
    fit = make_fit(tmp_path / "run", validate=figures(0.2, 0.6, 0.4), select_by="validation/top1")
    first = trainer.fit(fit)
    again = replace(fit, objective=TinyNet(), resume=True)
    assert trainer.fit(again) == first
    assert again.objective.forwards == 0
    assert first.best_epoch == 2 and first.best_value == 0.6


def test_who_is_asked_to_stop_in_the_last_epoch_does_not_go_on_to_evaluate(tmp_path, trainer):
    epochs = []

    def validate():
        epochs.append(len(epochs))
        if len(epochs) == 3:
            signal.raise_signal(signal.SIGTERM)
        return {"validation": {"top1": 0.5}}

    fit = make_fit(tmp_path / "run", validate=validate, select_by="validation/top1")
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(fit)
    again = replace(fit, objective=TinyNet(), resume=True)
    assert trainer.fit(again).epochs == 3
    assert again.objective.forwards == 0 and len(epochs) == 3


class Told(TinyNet):
    """Writes down what it is told before each step."""

    def __init__(self, **options):
        super().__init__(**options)
        self.told = []

    def before_step(self, step, total_steps):
        assert len(self.told) == self.forwards and self.steps_seen == step
        self.told.append((step, total_steps))


def test_an_objective_is_told_how_far_the_run_is(tmp_path, trainer):
    cut = make_fit(tmp_path / "run", Told(die_at=6))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(cut)
    assert cut.objective.told == [(step, STEPS) for step in range(7)]
    rest = make_fit(tmp_path / "run", Told(), resume=True)
    trainer.fit(rest)
    assert rest.objective.told == [(step, STEPS) for step in range(4, STEPS)]


def test_best_on_validation_is_kept(tmp_path, trainer):
    saved = []
    net = TinyNet()

    def save(path):
        saved.append(int(net.steps_seen))
        torch.save(net.state_dict(), path)

    fit = make_fit(
        tmp_path / "run",
        net,
        num_epochs=4,
        validate=figures(0.5, 0.7, 0.7, 0.6),
        select_by="validation/top1",
        save_model=save,
    )
    summary = trainer.fit(fit)
    assert saved == [4, 8]  # the first of equal figures stays
    assert torch.load(fit.folder.model)["steps_seen"] == 8
    assert (summary.best_epoch, summary.best_value, summary.stopped_early) == (2, 0.7, False)
    rows = [row for row in summary.history if row["split"] == "validation"]
    assert [row["top1"] for row in rows] == [0.5, 0.7, 0.7, 0.6]


def test_ties_are_broken_by_the_validation_loss_and_the_choice_is_told(tmp_path, trainer, caplog):
    caplog.set_level("INFO", logger="fewshot")
    losses = [0.6, 0.2, 0.3]
    fit = make_fit(
        tmp_path / "run",
        validate=lambda: {"validation": {"top1": 1.0, "loss": losses.pop(0)}},
        select_by="validation/top1",
    )
    assert trainer.fit(fit).best_epoch == 2
    told = "model.mdl is that of epoch 2, by validation/top1 1.0000 (3 epochs tie; least loss)"
    assert told in caplog.messages


def test_a_checkpoint_of_before_ties_were_counted_is_gone_on_from(tmp_path, trainer):
    options = {"validate": figures(0.2, 0.6, 0.4), "select_by": "validation/top1"}
    fit = make_fit(tmp_path / "run", **options)
    trainer.fit(fit)
    checkpoints = Checkpoints(fit.folder, fit.digests)
    state = checkpoints.load()
    del state["monitor"]["best_loss"], state["monitor"]["tied"]
    checkpoints.save(state)
    assert trainer.fit(replace(fit, objective=TinyNet(), resume=True)).best_epoch == 2


def test_lower_is_better_for_losses(tmp_path, trainer):
    left = [0.9, 0.4, 0.5]
    fit = make_fit(
        tmp_path / "run",
        validate=lambda: {"validation": {"loss": left.pop(0)}},
        select_by="validation/loss",
    )
    assert trainer.fit(fit).best_epoch == 2


def test_patience_counts_validations_and_survives_a_cut(tmp_path):
    trainer = cpu_trainer(patience=2, validate_every=2)
    values = (0.5, 0.4, 0.3, 0.9, 0.9)
    options = {"num_epochs": 20, "select_by": "validation/top1"}
    straight = make_fit(tmp_path / "straight", validate=figures(*values), **options)
    summary = trainer.fit(straight)
    assert (summary.epochs, summary.best_epoch, summary.stopped_early) == (6, 2, True)
    cut = make_fit(tmp_path / "cut", TinyNet(die_at=18), validate=figures(*values), **options)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(cut)
    rest = make_fit(tmp_path / "cut", validate=figures(*values[2:]), resume=True, **options)
    after = trainer.fit(rest)
    assert (after.epochs, after.best_epoch, after.stopped_early) == (6, 2, True)
    assert same_states(rest.objective.state_dict(), straight.objective.state_dict())


def test_models_are_kept_every_n_epochs(tmp_path):
    fit = make_fit(tmp_path / "run", num_epochs=5)
    cpu_trainer(keep_every=2).fit(fit)
    kept = sorted(path.name for path in (fit.folder.path / "checkpoints").iterdir())
    assert kept == ["epoch_002.mdl", "epoch_004.mdl"]
    assert torch.load(fit.folder.path / "checkpoints/epoch_002.mdl")["steps_seen"] == 8


def test_without_validation_the_last_model_is_kept_and_that_is_said(tmp_path, trainer, caplog):
    caplog.set_level("INFO", "fewshot")
    summary = trainer.fit(make_fit(tmp_path / "run", num_epochs=1, select_by="validation/top1"))
    assert summary.selected_by == "last"
    assert "there is no validation: the last model is kept" in caplog.text
    assert "epoch 1/1  train  top1 " in caplog.text


def test_a_plateau_lowers_the_rate_of_the_monitored_accuracy(tmp_path, trainer):
    def plateau(optimizer, mode="min"):
        assert mode == "max"
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode, 0.1, patience=0)

    plateau.step = torch.optim.lr_scheduler.ReduceLROnPlateau.step  # as the class would have it
    fit = make_fit(
        tmp_path / "run",
        schedule=plateau,
        validate=figures(0.5, 0.6, 0.6),
        select_by="validation/top1",
        optimizer=lambda groups: torch.optim.SGD(groups, lr=0.1),
    )
    trainer.fit(fit)
    checkpoint = unsealed(fit.folder.last_checkpoint.read_bytes())["contents"]
    assert checkpoint["optimizer"]["param_groups"][0]["lr"] == pytest.approx(0.01)


def test_unlabelled_rows_give_batches_without_labels(tmp_path, trainer):
    class Reconstruct(TinyNet):
        def forward(self, batch):
            assert batch.labels is None
            return self.scores(batch.images).square().mean(), {}

    fit = make_fit(tmp_path / "run", Reconstruct(), dataset=TinyDataset(labelled=False))
    assert trainer.fit(fit).epochs == 3


def test_bf16_and_clipping(tmp_path):
    trainer = cpu_trainer(precision="bf16-mixed", clip_norm=1e-9)
    before = TinyNet().state_dict()
    fit = make_fit(tmp_path / "run", optimizer=lambda groups: torch.optim.SGD(groups, lr=1.0))
    trainer.fit(fit)
    after = fit.objective.state_dict()
    assert torch.allclose(before["conv.weight"], after["conv.weight"], atol=1e-6)
    assert not torch.equal(before["norm.running_mean"], after["norm.running_mean"])
    with trainer.hardware.inference(fit.objective, final=False):
        assert fit.objective.scores(TinyDataset().images([0])).dtype == torch.bfloat16
    with trainer.hardware.inference(fit.objective):
        assert fit.objective.scores(TinyDataset().images([0])).dtype == torch.float32


def test_inference_restores_training_mode(trainer):
    net = TinyNet().train()
    with trainer.hardware.inference(net):
        assert not net.norm.training
        assert not net.scores(TinyDataset().images([0, 1])).requires_grad
    assert net.norm.training
    with trainer.hardware.inference(net.eval()):
        pass
    assert not net.training


def test_no_epochs_train_nothing(tmp_path, trainer):
    fit = make_fit(tmp_path / "run", num_epochs=0, sampler=None)
    assert trainer.fit(fit).epochs == 0
    assert not fit.folder.model.exists()


class Explodes(TinyNet):
    def forward(self, batch):
        loss, logs = super().forward(batch)
        return loss * (float("nan") if self.forwards == 6 else 1), logs


class Overflows(TinyNet):
    """Its last step of the run leaves weights that are not finite, behind a finite loss."""

    def after_step(self):
        super().after_step()
        if self.steps_seen == STEPS:
            self.head.weight.data[0, 0] = float("inf")


@pytest.mark.parametrize(
    "options",
    [
        {"select_by": "last"},
        {"select_by": "train/loss"},
        {"select_by": "validation/top1", "validate": figures(0.1, 0.2, 0.9)},
    ],
)
def test_weights_that_are_not_finite_are_never_kept(tmp_path, options):
    trainer = cpu_trainer(precision="32-true", keep_every=3)
    fit = make_fit(tmp_path / "run", Overflows(), **options)
    with pytest.raises(UserError) as caught:
        trainer.fit(fit)
    message = str(caught.value)
    assert (
        "weights of Overflows are not finite (head.weight, 1 in all) in epoch 3, step 4" in message
    )
    ids = ", ".join(str(row) for row in TinySampler().batches(2)[-1].tolist())
    assert f"learning rate 0.01, images {ids})" in message
    assert f"The last good checkpoint is {fit.folder.last_checkpoint}" in message
    assert not (fit.folder.path / "checkpoints").exists()
    kept = unsealed(fit.folder.last_checkpoint.read_bytes())["contents"]
    assert kept["progress"]["epoch"] == 2
    if fit.folder.model.exists():
        assert torch.load(fit.folder.model)["head.weight"].isfinite().all()


def test_a_loss_that_was_never_finite_is_not_blamed_on_the_learning_rate(tmp_path, trainer):
    class Margin(TinyNet):
        def forward(self, batch):
            loss, logs = super().forward(batch)
            return loss + 1e308, logs

    with pytest.raises(UserError, match="no weight had moved yet, so it is not the learning rate"):
        trainer.fit(make_fit(tmp_path / "run", Margin()))


class Growing(TinyNet):
    """Its loss is finite up to the sixth step, by which it has grown so many times."""

    times = 1.0

    def forward(self, batch):
        loss, logs = super().forward(batch)
        number = self.forwards
        return loss + (number - 1) * self.times + (torch.inf if number > 6 else 0), logs


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (0.0, r"it was \d\.\d+ a step before, so first look at what is bound of the loss"),
        (100.0, r"it had grown from 1\.\d+ to 50\d.*: lower the learning rate, or bind"),
    ],
)
def test_what_a_loss_was_before_tells_what_to_look_at(tmp_path, trainer, times, message):
    net = Growing()
    net.times = times
    with pytest.raises(UserError, match=message):
        trainer.fit(make_fit(tmp_path / "run", net))


def test_a_training_figure_that_no_step_logs_is_refused_before_training(tmp_path, trainer):
    net = TinyNet()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    fit = make_fit(tmp_path / "run", net, select_by="train/top9")
    with pytest.raises(UserError, match=r"'train/top9', which no .* train/loss, train/lr, train/t"):
        trainer.prepare(fit)
    trainer.prepare(make_fit(tmp_path / "run", net, select_by="train/top1"))
    assert same_states(net.state_dict(), before)


def test_weights_that_come_in_broken_are_said_before_training(tmp_path, trainer):
    net = TinyNet()
    net.conv.weight.data[0] = float("nan")
    with pytest.raises(UserError, match=r"not finite before any training \(conv\.weight\)"):
        trainer.prepare(make_fit(tmp_path / "run", net))


@pytest.mark.parametrize(
    ("value", "message"), [(0, ", all of one colour"), (None, "equal in every pixel")]
)
def test_images_that_are_all_alike_are_refused_at_the_start(tmp_path, trainer, value, message):
    dataset = TinyDataset()
    dataset._images[:] = dataset._images[0].clone() if value is None else value
    fit = make_fit(tmp_path / "run", dataset=dataset)
    with pytest.raises(UserError, match=message):
        trainer.fit(fit)
    assert fit.objective.forwards == 0


def test_images_of_one_colour_each_are_warned_of(tmp_path, trainer, caplog):
    dataset = TinyDataset()
    dataset._images[:] = dataset._images[:, :, :1, :1].clone()
    trainer.fit(make_fit(tmp_path / "run", num_epochs=1, dataset=dataset))
    assert "each of the first images is of one colour" in caplog.text


def test_a_batch_of_one_image_under_batch_normalisation_is_said(tmp_path, trainer):
    class Pooled(TinyNet):
        def scores(self, images):
            return self.head(
                self.norm(self.conv(images / 255).mean((2, 3), keepdim=True))[..., 0, 0]
            )

    fit = make_fit(tmp_path / "run", Pooled(), sampler=TinySampler(n=22))
    with pytest.raises(UserError, match="a batch of 1 image is too small for the batch normalis"):
        trainer.fit(fit)


def test_a_damaged_checkpoint_falls_back_to_the_one_before_with_the_same_end(
    tmp_path, whole, caplog
):
    reference, _ = whole
    trainer = cpu_trainer(precision="32-true", checkpoint_steps=3)
    cut = make_fit(tmp_path / "run", TinyNet(die_at=11), schedule=_one_cycle)
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(cut)
    path = cut.folder.last_checkpoint
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))
    again = make_fit(tmp_path / "run", TinyNet(), schedule=_one_cycle, resume=True)
    trainer.fit(again)
    assert again.objective.forwards == STEPS - 8
    assert "last.ckpt is damaged (its contents do not match its digest)" in caplog.text
    assert "going on from the checkpoint before, " in caplog.text
    assert same_states(again.objective.state_dict(), reference.objective.state_dict())
    assert _without_seconds(again.folder) == _without_seconds(reference.folder)


class Frozen(TinyNet):
    def forward(self, batch):
        loss, logs = super().forward(batch)
        return loss.detach(), logs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"objective": Explodes()},
            "the loss is nan in epoch 2, step 2 (step 6 of the run, learning rate 0.01, images ",
        ),
        ({"objective": Frozen()}, "the loss of Frozen depends on no trainable parameter"),
        ({"objective": TinyNet().requires_grad_(False)}, "TinyNet has no trainable parameter"),
        ({"num_epochs": -1}, "main.num_epochs is -1"),
        ({"sampler": None}, "main.sampler is not bound"),
        ({"schedule_every": "day"}, "main.schedule_every is 'day': bind 'step' or 'epoch'"),
        (
            {"validate": figures(0.1), "select_by": "validation/top3"},
            "main.select_by is 'validation/top3', but the figures there are: train/loss, "
            "train/lr, train/top1, validation/top1",
        ),
        (
            {"validate": figures(float("nan")), "select_by": "validation/top1"},
            "the monitored figure, validation/top1, is nan after epoch 1",
        ),
    ],
)
def test_what_cannot_be_trained_is_said(tmp_path, trainer, changes, message):
    with pytest.raises(UserError) as caught:
        trainer.fit(make_fit(tmp_path / "run", **changes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"precision": "16-mixed"}, "'16-mixed', which needs a GPU"),
        ({"precision": "8"}, "Hardware.precision is '8': bind one of 'auto', '32-true'"),
        ({"accelerator": "abacus"}, "Hardware.accelerator = 'abacus' with Hardware.devices = 1"),
        ({"devices": -3}, "Hardware.devices = -3"),
        ({"patience": 0}, "Trainer.patience is 0: bind 1 or more"),
        ({"checkpoint_steps": -1}, "Trainer.checkpoint_steps is -1"),
        ({"clip_norm": 0.0}, "Trainer.clip_norm is 0.0: bind more than 0"),
    ],
)
def test_what_the_machine_cannot_do_is_said(arguments, message):
    with pytest.raises(UserError) as caught:
        cpu_trainer(**arguments)
    assert message in str(caught.value)


def test_a_missing_gpu_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="'cuda', but torch sees no GPU here"):
        Hardware(accelerator="cuda")


def test_patience_needs_a_figure(tmp_path):
    with pytest.raises(UserError, match=r"Trainer\.patience is 2, but no figure is monitored"):
        cpu_trainer(patience=2).fit(make_fit(tmp_path / "run"))


def test_changed_data_are_refused_on_resume(tmp_path, trainer):
    trainer.fit(make_fit(tmp_path / "run", num_epochs=1))
    other = make_fit(tmp_path / "run", resume=True, digests={"training CSV": "xyz"})
    with pytest.raises(UserError, match=r"the training CSV has changed since .*last\.ckpt"):
        trainer.fit(other)


def test_another_objective_is_refused_on_resume(tmp_path, trainer):
    trainer.fit(make_fit(tmp_path / "run", num_epochs=1))
    other = TinyNet()
    other.head = nn.Linear(4, 5)
    with pytest.raises(UserError, match=r"last.ckpt does not fit .*head.weight"):
        trainer.fit(make_fit(tmp_path / "run", other, resume=True))


SCRIPT = """
import os, sys
from pathlib import Path
import torch
from tests.distributed.meeting import as_rank
from tests.training.tiny_training import TinySampler, cpu_trainer, make_fit

def train():
    torch.set_num_threads(int(sys.argv[2]))
    trainer = cpu_trainer(devices=int(sys.argv[3]), precision="32-true", checkpoint_steps=4)
    fit = make_fit(Path(sys.argv[1]), num_epochs=int(sys.argv[4]), sampler=TinySampler(size=4))
    trainer.fit(fit)

def fork(rank):
    child = os.fork()
    if not child:
        os.environ |= as_rank(rank)
        train()
        os._exit(0)
    return child

if sys.argv[3] == "1":
    train()
else:
    ranks = [fork(str(rank)) for rank in range(int(sys.argv[3]))]
    sys.exit(sum(os.waitpid(rank, 0)[1] != 0 for rank in ranks))
"""
ROOT = Path(__file__).parents[2]


def _start(script: Path, *arguments: object, **environment: str) -> subprocess.Popen:
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), *map(str, arguments)]
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path} | environment)


@pytest.mark.slow
def test_sigkill_and_resume_end_bit_identical(tmp_path):
    trainer = cpu_trainer(precision="32-true", checkpoint_steps=4)
    options = {"num_epochs": 20, "sampler": TinySampler(size=4)}
    whole = make_fit(tmp_path / "whole", **options)
    trainer.fit(whole)
    folder = ExperimentFolder(tmp_path / "cut")
    process = _start(tmp_path / "run.py", folder.path, torch.get_num_threads(), 1, 20)
    while not folder.last_checkpoint.exists():
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.1))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    rest = make_fit(tmp_path / "cut", resume=True, **options)
    trainer.fit(rest)
    assert rest.objective.forwards < 120
    assert folder.model.read_bytes() == whole.folder.model.read_bytes()
    assert _without_seconds(folder) == _without_seconds(whole.folder)


@pytest.mark.slow
def test_two_processes_write_one_run(tmp_path):
    path = tmp_path / "run"
    shared = two_meet() | {"TORCHELASTIC_RUN_ID": "none", "GROUP_RANK": "0"}
    assert _start(tmp_path / "run.py", path, 1, 2, 2, **shared).wait(120) == 0
    rows = [row for row in _without_seconds(ExperimentFolder(path)) if row["split"] == "train"]
    assert [row["step"] for row in rows] == [6, 12]
    assert torch.load(path / "model.mdl")["steps_seen"] == 12


@pytest.mark.parametrize(("tiles", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_automatic_precision_follows_the_hardware(tiles, precision, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert Hardware(accelerator="cpu").precision == precision


@pytest.mark.parametrize("figure", ["test/top1", "top1"])
def test_a_model_is_never_chosen_by_the_test_split(figure, tmp_path):
    fit = make_fit(tmp_path / "run", select_by=figure, validate=figures(0.5))
    with pytest.raises(UserError, match="The test split chooses nothing"):
        cpu_trainer().prepare(fit)
