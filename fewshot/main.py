"""One experiment from bindings to results: build in order, train, choose, evaluate, write."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gin

from fewshot.binding.config import RunRequest
from fewshot.binding.unused import report_unused
from fewshot.data.loading import load_data
from fewshot.data.samplers.advice import advise_steps
from fewshot.errors import UserError
from fewshot.evaluation import refusals
from fewshot.evaluation.crew import shared
from fewshot.evaluation.kept import kept
from fewshot.evaluation.outputs import findings, with_images
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.beginning import begin, held
from fewshot.experiment.environment import environment
from fewshot.experiment.results import merge_metrics, results, write_figures, write_pictures
from fewshot.interfaces import Evaluation
from fewshot.launcher import is_peer, launch_id
from fewshot.models.extras import add_extras
from fewshot.models.model_file import load_model, restore, save_model
from fewshot.objectives.advice import advise
from fewshot.parts import Factory, Parts, build
from fewshot.reports.presenting import present
from fewshot.training.dry_run import describe
from fewshot.training.final_figures import log_final, log_pictures
from fewshot.training.parting import parting
from fewshot.training.shared_start import refused_together
from fewshot.training.trainer import Fit, Summary

_WAY_BACK = "Go on with --resume, or give the same command again where nothing was begun."


@gin.configurable(denylist=["request"])
@parting()
def main(
    request: RunRequest,
    objective: Factory | None = None,
    sampler: Factory | None = None,
    optimizer: Factory | None = None,
    schedule: Factory | None = None,
    schedule_every: str = "step",
    num_epochs: int = 10,
    evaluators: Sequence[Factory] = (),
    select_by: str = "validation/top1",
    train_rows: Factory | None = None,
    test_rows: Factory | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> None:
    """Run one experiment; every argument but the request is bound in .gin.

    objective, sampler, optimizer, schedule, evaluators, train_rows, test_rows: factories (`@Name`,
    without parentheses). test_rows: the one thing that leaves out test rows, e.g. @DropTwins.
    num_epochs: 0 evaluates without training. select_by: the validation figure that chooses the
    model, or 'last'. validation_fraction: share of the training rows set apart where no validation
    CSV is bound. Raises UserError for whatever the user can mend.
    """
    if objective is None:
        raise UserError("main.objective is not bound: bind it, e.g. main.objective = @TransferNet.")
    holding = held(request.folder, request.resume is not None, request.dry_run, is_peer())
    with refused_together(_WAY_BACK) as agree, holding as folder:
        labels = getattr(objective, "needs_labels", False)
        rows = (train_rows, validation_fraction, seed, test_rows)
        data = load_data(*rows, needs_labels=labels, dry_run=request.dry_run)
        parts = build(data, objective, sampler, evaluators, seed, training=num_epochs > 0)
        digests = data.digests()
        agree({"configuration": request.config_text, **digests})
        fit = Fit(
            objective=parts.objective,
            dataset=data.train,
            sampler=parts.sampler,
            optimizer=optimizer,
            schedule=schedule,
            schedule_every=schedule_every,
            num_epochs=num_epochs,
            seed=seed,
            validate=_validation(parts),
            select_by=select_by,
            folder=folder.written_by(parts.hardware.is_main_process),
            save_model=lambda path: save_model(parts.objective, path),
            digests=digests,
            resume=request.resume is not None,
        )
        # whatever the bindings are refused for is refused before the folder takes the name
        train = parts.trainer.prepare(fit)
        with parts.hardware.inference(parts.objective, final=False):
            refusals.check(parts.evaluators, parts.objective, data.evaluated)
            if num_epochs > 0:
                refusals.check_selection(select_by, parts.monitors, parts.objective, data.monitored)
                advise(parts.objective)
                advise_steps(parts.sampler, num_epochs)
        if request.resume is None:  # else it reads the run's own config.gin, which binds the rest
            report_unused(["FashionDataset.cache_dir"] if request.dry_run else [])
        if request.dry_run:
            describe(data.train, parts.objective, parts.sampler, seed, parts.hardware.device)
            return
        facts = data.facts(data.count_trained_on(parts.objective.inherited_images))
        origin = _start(folder, request, seed, parts)
        summary = train()

        def write(found: Sequence[Evaluation]) -> set[str]:
            figures = merge_metrics([facts, *found])
            contents = results(folder.name, origin, seed, summary.facts(), figures)
            folder.write_text(folder.operative.name, gin.operative_config_str())
            log_final(folder, contents)
            return write_figures(folder, contents, found)

        _evaluate(parts, folder, summary, write)


def _start(
    folder: ExperimentFolder, request: RunRequest, seed: int, parts: Parts
) -> Mapping[str, Any]:
    """Write down what is run, with what and where."""
    facts = environment(request.command, seed, request.plugin_folders) | {
        **parts.hardware.facts(),
        "launch": launch_id(),
        "config_files": [str(path) for path in request.config_files],
    }
    origin = begin(folder, None if request.resume else request.config_text, facts)
    skipped = parts.data.skipped()
    if len(skipped):
        folder.write_csv("skipped.csv", skipped)
    return origin


def _validation(parts: Parts) -> Callable[[], Mapping[str, Mapping[str, Any]]] | None:
    """What the trainer calls to look at the validation split; None where there is nothing."""
    if parts.data.validation is None or not parts.monitors:
        return None

    def validate() -> dict[str, dict[str, Any]]:
        together = shared(parts.objective, parts.data.monitored)
        with parts.hardware.inference(parts.objective, final=False), together as splits:
            watching = parts.monitors if splits else ()
            return merge_metrics([watch(parts.objective, splits or {}) for watch in watching])

    return validate


def _evaluate(
    parts: Parts,
    folder: ExperimentFolder,
    summary: Summary,
    write: Callable[[Sequence[Evaluation]], set[str]],
) -> None:
    """Every evaluator on every split, by the model the run chose, which keeps what it needs.

    write: the figures, on disk before anything that shows them is made; see write_figures.
    """
    writes = parts.hardware.is_main_process
    if summary.epochs > 0 and writes:
        restore(parts.objective, load_model(folder.model))
    together = shared(parts.objective, parts.data.evaluated)
    with parts.hardware.inference(parts.objective), together as splits:
        found = findings(parts.evaluators, parts.objective, splits) if splits else []
        if splits and summary.epochs > 0 and parts.objective.embeds_by_parts:
            add_extras(folder.model, kept(parts.objective, splits, parts.evaluators, found))
        written = write(found) if writes else set()
        found = with_images(found)
    if writes:
        write_pictures(folder, found, written)
        log_pictures(folder)
        present(folder.path, found)
