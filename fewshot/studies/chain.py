"""Two runs, the second starting from the first's model: pretraining, then fine-tuning or a probe.

`python -m fewshot study chain configs/rotation.gin configs/finetune.gin`: two folders in
experiments/rotation-finetune. The same command again goes on where it was interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fewshot.console import show
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.reports.tables import console
from fewshot.studies.arguments import study_folder
from fewshot.studies.figures import figures
from fewshot.studies.runs import Run, complete, refuse_wrong


def chain(runs: Sequence[Run], output_dir: Path) -> list[ExperimentFolder]:
    """The folders of the runs, each of which starts from the model of the one before.

    Raises UserError as `refuse_wrong` and `complete` do, or where a run left no model.
    """
    refuse_wrong(runs[:1], runs[1:])
    folders: list[ExperimentFolder] = []
    for run in runs:
        if folders:
            run = run.with_model(model_of(folders[-1]))
        folders.append(complete(run, output_dir))
    return folders


def model_of(folder: ExperimentFolder, name: str = "model.mdl") -> Path:
    """A model that a completed run left; raises UserError where it is not there."""
    path = folder.path / name
    if not path.is_file():
        models = sorted(str(kept.relative_to(folder.path)) for kept in folder.path.rglob("*.mdl"))
        raise UserError(
            f"{folder.path} has no {name} to go on with; models there: "
            f"{', '.join(models) or 'none'}. A run with main.num_epochs = 0 leaves no model; "
            "Trainer.keep_every = N keeps one every N epochs, as checkpoints/epoch_NNN.mdl."
        )
    return path


def run_study(given: argparse.Namespace) -> None:
    """Complete both runs and print what they reached."""
    stems = [Path(given.first).stem, Path(given.second).stem]
    runs = [
        Run(f"1-{stems[0]}", [given.first, *given.config], [*given.parameter, *given.first_only]),
        Run(f"2-{stems[1]}", [given.second, *given.config], [*given.parameter, *given.second_only]),
    ]
    folders = chain(runs, study_folder(given, "-".join(stems)))
    rows = [
        {"run": folder.name, "figure": name, "value": value}
        for folder in folders
        for name, value in figures(folder).items()
    ]
    show(f"{console(pd.DataFrame(rows))}\n\neverything is in {folders[0].path.parent}")


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "chain", *sys.argv[1:]]))
