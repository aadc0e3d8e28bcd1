"""The training loop, from the first step or from last.ckpt to the chosen model."""

import contextlib
import logging
import math
import time
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor
from tqdm import tqdm

from fewshot import seeding
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.training.checkpoint import load_checkpoint, save_checkpoint
from fewshot.training.compilation import check_compilable, compiled_encoder
from fewshot.training.feed import Feed
from fewshot.training.fit import Fit, LoopOptions, Summary
from fewshot.training.monitor import LAST, Monitor
from fewshot.training.optimisation import (
    ScheduleSizes,
    build_optimizer,
    build_schedule,
    needs_figure,
)
from fewshot.training.state import Averages, TrainingState
from fewshot.training.step import TrainingStep
from fewshot.training.tracking import MetricsLog, epoch_line, scalars

logger = logging.getLogger("fewshot")


class TrainingRun:
    """One training run; it names no method and asks no objective what it is."""

    def __init__(self, fit: Fit, fabric: Fabric, options: LoopOptions) -> None:
        if fit.num_epochs < 0:
            raise UserError(f"main.num_epochs is {fit.num_epochs}: bind 0 or more.")
        if fit.sampler is None:
            raise UserError("main.sampler is not bound, and training needs one.")
        self.fit, self.fabric, self.options = fit, fabric, options
        self.folder = ExperimentFolder(fit.folder.path, writes=fabric.is_global_zero)
        self.log = MetricsLog(self.folder)
        self.rank, ranks = fabric.global_rank, fabric.world_size
        self.feed = Feed(fit.dataset, fit.sampler, fit.seed, fabric.device, self.rank, ranks)
        # reading a loss back stalls a GPU, so there the check for nan waits for some steps
        self.check_every = 1 if fabric.device.type == "cpu" else 20
        fit.objective.to(fabric.device)
        # convolutions are faster with the channels last, on a CPU and on tensor cores
        fit.objective.to(memory_format=torch.channels_last)
        if options.compiled:
            check_compilable(fit.objective, fabric.device, "Trainer.compiled")
        monitor = Monitor(_select_by(fit), options.patience)
        optimizer = build_optimizer(fit.optimizer, fit.objective)
        sizes = ScheduleSizes(fit.num_epochs, len(self.feed), fit.schedule_every, monitor.mode)
        schedule = build_schedule(fit.schedule, optimizer, sizes)
        self.follows_figure = schedule is not None and needs_figure(schedule)
        self.step = TrainingStep(fabric, fit.objective, optimizer, options.clip_norm)
        self.state = TrainingState(
            fit.objective, optimizer, schedule, fabric.strategy.precision, monitor
        )

    def train(self) -> Summary:
        """From the start, or where last.ckpt stands, to the end."""
        if self.fit.resume:
            self._restore()
        self.began = time.monotonic() - self.state.progress.seconds
        with contextlib.ExitStack() as stack:
            stack.callback(self.log.close)
            if self.options.compiled:
                logger.info("the first batch of each size waits while the encoder is compiled")
                stack.enter_context(compiled_encoder(self.fit.objective))
            while not self.state.progress.done:
                self._epoch()
                self._end_epoch()
        progress, standing = self.state.progress, self.state.monitor.standing
        return Summary(
            epochs=progress.epoch,
            best_epoch=standing.best_epoch or progress.epoch,
            best_value=standing.best_value,
            train_seconds=progress.seconds,
            selected_by=self.state.monitor.select_by,
            stopped_early=progress.stopped_early,
            history=self.log.rows(),
        )

    def _restore(self) -> None:
        path = self.folder.last_checkpoint
        if path.is_file():
            contents = load_checkpoint(path, self.fit.digests)
            self.state.load_state_dict(contents, self.fabric.device)
            progress = self.state.progress
            logger.info("resuming after %d epochs and %d steps", progress.epoch, progress.step)
        else:
            logger.info("%s has no checkpoint yet: training starts over", self.folder.path)
        self.log.cut_back(self.state.progress.metrics_position)

    def _epoch(self) -> None:
        """The rest of the current epoch's steps."""
        progress, total = self.state.progress, len(self.feed)
        self.fit.objective.train()
        checkpoint_steps = self.options.checkpoint_steps or total
        with (
            contextlib.closing(self.feed.batches(progress.epoch, progress.step)) as batches,
            tqdm(
                desc=f"epoch {progress.epoch + 1}/{self.fit.num_epochs}",
                total=total,
                initial=progress.step,
                disable=None if self.folder.writes else True,
                leave=False,
            ) as bar,
        ):
            for batch in batches:
                seeding.reseed(self.fit.seed, progress.epoch, progress.step, self.rank)
                logs = self.step(batch, progress.total_steps, total * self.fit.num_epochs)
                self.state.averages.add(logs, len(batch))
                if self.fit.schedule_every == "step":
                    self._move_schedule()
                progress.step += 1
                progress.total_steps += 1
                if progress.step % self.check_every == 0:
                    bar.set_postfix_str(f"loss {self._finite_loss():.4f}", refresh=False)
                bar.update()
                if progress.total_steps % checkpoint_steps == 0 and progress.step < total:
                    self._finite_loss()
                    self._save()

    def _end_epoch(self) -> None:
        """Validate, choose, decide whether to go on, and write it all down."""
        progress, monitor = self.state.progress, self.state.monitor
        number = progress.epoch + 1
        last = number == self.fit.num_epochs
        validated = last or number % self.options.validate_every == 0
        figures = self._figures(validated)
        if self.fit.schedule_every == "epoch":
            self._move_schedule()
        chosen = False
        if validated:
            value = monitor.figure(scalars(figures), number)
            self._move_schedule(value)
            chosen = monitor.select_by != LAST and monitor.update(value, number)
        progress.epoch, progress.step = number, 0
        progress.stopped_early = monitor.exhausted and not last
        progress.done = last or progress.stopped_early
        if chosen or (progress.done and monitor.select_by == LAST):
            self.folder.write_with(self.folder.model.name, self.fit.save_model)
        if self.options.keep_every and number % self.options.keep_every == 0:
            self.folder.write_with(f"checkpoints/epoch_{number:03d}.mdl", self.fit.save_model)
        self.state.averages = Averages()
        self._save()

    def _figures(self, validated: bool) -> dict[str, dict[str, Any]]:
        """The epoch's figures by split, equal on every rank; they are logged, too."""
        self._finite_loss()
        progress, rates = self.state.progress, self.state.optimizer.param_groups
        means = self.state.averages.means()
        shared = self.fabric.all_reduce(torch.tensor(list(means.values())), reduce_op="mean")
        means = dict(zip(means, cast(Tensor, shared).tolist(), strict=True))
        figures: dict[str, dict[str, Any]] = {"train": means | {"lr": float(rates[0]["lr"])}}
        if validated and self.fit.validate is not None:
            found = self.fit.validate() if self.fabric.is_global_zero else {}
            for split, named in self.fabric.broadcast(found).items():
                # what an evaluator finds on the training rows is not the mean over the steps
                figures["train_evaluated" if split == "train" else split] = dict(named)
        number, seconds = progress.epoch + 1, time.monotonic() - self.began
        for split, named in figures.items():
            self.log.record(split, number, progress.total_steps, seconds, named)
        line = epoch_line(figures)
        logger.info("epoch %d/%d  %s  %.0f s", number, self.fit.num_epochs, line, seconds)
        return figures

    def _finite_loss(self) -> float:
        """The epoch's mean loss so far; waits for the device."""
        loss = self.state.averages.mean("loss")
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is {loss} in epoch {self.state.progress.epoch + 1} by step "
                f"{self.state.progress.step}: lower the learning rate, or bind "
                "Trainer.clip_norm = 1.0."
            )
        return loss

    def _move_schedule(self, figure: float | None = None) -> None:
        """Move the schedule: with a figure if it follows one, else without."""
        schedule = self.state.schedule
        if schedule is not None and self.follows_figure == (figure is not None):
            schedule.step(*([] if figure is None else [figure]))

    def _save(self) -> None:
        """Write last.ckpt, whose metrics end where they end now."""
        self.state.progress.seconds = time.monotonic() - self.began
        self.state.progress.metrics_position = self.log.position()
        if self.folder.writes:
            path = self.folder.last_checkpoint
            save_checkpoint(path, self.state.state_dict(), self.fit.digests)


def _select_by(fit: Fit) -> str:
    """What chooses the model: 'last' where there is no validation to ask."""
    if fit.select_by != LAST and ("/" not in fit.select_by or fit.select_by.startswith("test/")):
        raise UserError(
            f"main.select_by is {fit.select_by!r}: bind a figure of the validation split, such as "
            "'validation/top1', or 'last'. The test split chooses nothing."
        )
    if fit.validate is None and fit.select_by != LAST and not fit.select_by.startswith("train/"):
        logger.info("there is no validation: the last model is kept, not main.select_by's choice")
        return LAST
    return fit.select_by
