"""The trainer: the whole way from the first step, or from last.ckpt, to the chosen model."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gin

from fewshot import seeding
from fewshot.allocation import freed_memory_kept
from fewshot.training.agreement import AgreedStop, Stop, from_main, others_may_be_lost
from fewshot.training.averaging import WeightAverage
from fewshot.training.capturing import captured_where_safe
from fewshot.training.checkpoint import Checkpoints
from fewshot.training.compilation import check_compilable, compiled_encoder
from fewshot.training.epoch_means import Averages
from fewshot.training.feed import Feed
from fewshot.training.fit import Fit, Summary, check_options
from fewshot.training.hardware import Hardware
from fewshot.training.health import Health
from fewshot.training.monitor import LAST, Monitor, chosen_by
from fewshot.training.optimisation import build_optimizer
from fewshot.training.placing import placed
from fewshot.training.rehearsal import ALWAYS_LOGGED, check_logged
from fewshot.training.schedules import Schedule, ScheduleSizes
from fewshot.training.state import TrainingState
from fewshot.training.step import TrainingStep
from fewshot.training.tracking import MetricsLog, epoch_bar, scalars

__all__ = ["Fit", "Summary", "Trainer"]


@gin.register(denylist=["hardware"])
@dataclass(eq=False)
class Trainer:
    """Trains objectives; everything random is a function of (seed, epoch, step, rank).

    hardware: what it trains on. clip_norm: largest gradient norm; patience: validations without a
    new best before training stops; validate_every: epochs between validations; keep_every: epochs
    between models kept as checkpoints/epoch_NNN.mdl; checkpoint_steps: steps between writes of
    last.ckpt, besides the one after each epoch; ema_decay: validate and keep the running mean of
    the weights, such as 0.999, see WeightAverage; captured: each step as one CUDA graph, None where
    that is safe, see CapturedStep. Raises UserError for values out of range.
    """

    hardware: Hardware
    clip_norm: float | None = None
    patience: int | None = None
    validate_every: int = 1
    keep_every: int | None = None
    checkpoint_steps: int | None = None
    ema_decay: float | None = None
    captured: bool | None = None

    def __post_init__(self) -> None:
        check_options(self)

    def prepare(self, fit: Fit) -> Callable[[], Summary]:
        """Build all that training needs and write nothing; call the result to train."""
        if fit.num_epochs == 0:
            return lambda: Summary(0, 0, None, 0.0, "none", False, [])
        return TrainingRun(fit, self).train

    def fit(self, fit: Fit) -> Summary:
        """Train, leave the chosen model in the folder's model.mdl, and say what was done."""
        return self.prepare(fit)()


class TrainingRun:
    """One training run; it names no method and asks no objective what it is."""

    def __init__(self, fit: Fit, trainer: Trainer) -> None:
        hardware = trainer.hardware
        self.fabric = fabric = hardware.fabric
        self.fit, self.trainer, self.rank = fit, trainer, fabric.global_rank
        self.stop = Stop(fabric)
        self.feed = Feed.of(fit, fabric, hardware.resident)
        self.folder = fit.folder.written_by(hardware.is_main_process)
        self.log = MetricsLog(self.folder)
        placed(fit.objective, fabric, hardware.sync_batchnorm)
        if hardware.compiled:
            check_compilable(fit.objective, hardware.device, "Hardware.compiled")
        monitor = Monitor(chosen_by(fit.select_by, fit.validate is not None), trainer.patience)
        optimizer = build_optimizer(fit.optimizer, fit.objective)
        sizes = ScheduleSizes(fit.num_epochs, len(self.feed), fit.schedule_every, monitor.mode)
        schedule = Schedule(fit.schedule, optimizer, sizes)
        step = TrainingStep(fabric, fit.objective, optimizer, trainer.clip_norm)
        if monitor.followed.startswith("train/") and monitor.followed not in ALWAYS_LOGGED:
            with contextlib.closing(self.feed.batches(0, 0)) as batches:
                check_logged(monitor.followed, fit.objective, next(batches))
        self.step = captured_where_safe(step, hardware, trainer.captured)
        average = WeightAverage(fit.objective, trainer.ema_decay)
        self.fit = average.judged(fit)
        parts = (schedule, fabric.strategy.precision, monitor, average)
        self.state = TrainingState(fit.objective, optimizer, *parts)
        self.health = Health(fit, self.state, self.folder.last_checkpoint, hardware.device)
        self.checkpoints = Checkpoints(self.folder, fit.digests)
        self.total_steps = fit.num_epochs * len(self.feed)

    def train(self) -> Summary:
        """From the start, or where last.ckpt stands, to the end."""
        if from_main(self.fabric, lambda: self.fit.resume):
            self._restore()
        self.feed.check_images(self.state.progress.epoch)
        self.began = time.monotonic() - self.state.progress.seconds
        compiling = compiled_encoder(self.fit.objective, self.trainer.hardware.compiled)
        lost = others_may_be_lost(f"Go on with --resume {self.folder.path}.")
        kept = contextlib.closing(self.log), contextlib.closing(self.step)
        memory = freed_memory_kept(self.fabric.device)
        with kept[0], kept[1], memory, compiling, lost, self.stop.heeded():
            while not self.state.progress.done:
                self._train_epoch()
                self._choose(self._figures())
                self._save()
                if self.stop.due(0):
                    raise AgreedStop
        return self.state.summary(self.log.rows())

    def _train_epoch(self) -> None:
        """The rest of the current epoch's steps."""
        progress, steps = self.state.progress, len(self.feed)
        checkpoint_steps = self.trainer.checkpoint_steps or steps
        self.fit.objective.train()
        with (
            contextlib.closing(self.feed.batches(progress.epoch, progress.step)) as batches,
            epoch_bar(progress, self.fit.num_epochs, steps, self.folder.writes) as bar,
        ):
            for batch in self.step.foreseen(batches):
                seeding.reseed(self.fit.seed, progress.epoch, progress.step, self.rank)
                logs = self.step(batch, progress.total_steps, self.total_steps)
                self.health.saw(batch.rows, logs["loss"])
                self.state.after_step(logs, len(batch))
                if self.health.due():
                    bar.note(f"loss {self.health.mean_loss():.4f}")
                bar.update()
                stopping = self.stop.due(progress.total_steps)
                due = progress.total_steps % checkpoint_steps == 0 or stopping
                if due and progress.step < steps:
                    self.health.check()
                    self._save()
                if stopping and progress.step < steps:
                    raise AgreedStop

    def _figures(self) -> dict[str, dict[str, Any]]:
        """The epoch's figures by split, equal on every rank; they are logged, too."""
        self.health.check()
        progress, fabric = self.state.progress, self.fabric
        self.state.averages.collect(fabric)
        means = from_main(fabric, self.state.averages.means)
        rate = float(self.state.optimizer.param_groups[0]["lr"])
        figures: dict[str, dict[str, Any]] = {"train": means | {"lr": rate}}
        if self._validates() and self.fit.validate is not None:
            for split, named in from_main(fabric, self.fit.validate, True).items():
                # what an evaluator finds on the training rows is not the mean over the steps
                figures["train_evaluated" if split == "train" else split] = dict(named)
        progress.seconds = time.monotonic() - self.began
        self.log.record_epoch(figures, progress, self.fit.num_epochs)
        return figures

    def _validates(self) -> bool:
        number = self.state.progress.epoch + 1
        return number == self.fit.num_epochs or number % self.trainer.validate_every == 0

    def _choose(self, figures: Mapping[str, Any]) -> None:
        """End the epoch: move the schedule, keep the model if it is the one, and decide on more."""
        progress, monitor = self.state.progress, self.state.monitor
        number, chosen = progress.epoch + 1, False
        value = monitor.figure(scalars(figures), number) if self._validates() else None
        self.state.schedule.after_epoch(value)
        if value is not None and monitor.select_by != LAST:
            chosen = monitor.update(value, number, scalars(figures).get("validation/loss"))
        progress.epoch, progress.step = number, 0
        progress.stopped_early = monitor.exhausted and number < self.fit.num_epochs
        progress.done = number == self.fit.num_epochs or progress.stopped_early
        if chosen or (progress.done and monitor.select_by == LAST):
            self.folder.write_with(self.folder.model.name, self.fit.save_model)
        if self.trainer.keep_every and number % self.trainer.keep_every == 0:
            self.folder.write_with(f"checkpoints/epoch_{number:03d}.mdl", self.fit.save_model)
        self.state.averages = Averages()

    def _save(self) -> None:
        """Write last.ckpt, whose metrics end where they end now."""
        self.state.averages.collect(self.fabric)
        progress = self.state.progress
        progress.seconds = time.monotonic() - self.began
        progress.metrics_position, progress.metrics_crc = self.log.position()
        self.checkpoints.save(self.state.state_dict())

    def _restore(self) -> None:
        """Go on from last.ckpt, if there is one, with metrics.jsonl as it was then."""
        contents = from_main(self.fabric, self.checkpoints.load)
        if contents is not None:
            epochs, steps = self.fit.num_epochs, len(self.feed)
            self.state.load_state_dict(contents, self.fabric.device, epochs, steps)
        self.log.cut_back(self.state.progress.metrics_position, self.state.progress.metrics_crc)
