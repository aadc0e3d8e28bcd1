"""Two runs, the second starting from the first's model: pretraining, then fine-tuning or a probe.

`python -m fewshot.studies.chain configs/rotation.gin configs/finetune.gin`: two folders in
experiments/rotation-finetune. The same command again goes on where it was interrupted.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fewshot.console import exit_code, show
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.reports.tables import console
from fewshot.studies.command import study_parser
from fewshot.studies.runs import Run, complete, figures


def chain(runs: Sequence[Run], output_dir: Path) -> list[ExperimentFolder]:
    """The folders of the runs, each of which starts from the model of the one before.

    Raises UserError as `complete` does, or where a run left no model to go on with.
    """
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


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line's arguments; a wrong one exits with code 2."""
    parser = study_parser("chain", __doc__)
    parser.add_argument("first", metavar="FIRST", help=".gin file of the run that trains a model")
    parser.add_argument("second", metavar="SECOND", help=".gin file of the run that takes it")
    for flag, which in (("-p1", "first"), ("-p2", "second")):
        parser.add_argument(
            flag, dest=f"{which}_only", metavar="BINDING", action="append", default=[],
            help=f"one binding for the {which} run only; repeatable, overrides -p",
        )  # fmt: skip
    parser.add_argument("--name", help="the study's folder (default: <FIRST>-<SECOND>)")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Complete both runs and print what they reached."""
    given = parse(arguments)
    stems = [Path(given.first).stem, Path(given.second).stem]
    runs = [
        Run(f"1-{stems[0]}", [given.first, *given.config], [*given.parameter, *given.first_only]),
        Run(f"2-{stems[1]}", [given.second, *given.config], [*given.parameter, *given.second_only]),
    ]

    def study() -> None:
        folders = chain(runs, Path(given.output_dir) / (given.name or "-".join(stems)))
        rows = [
            {"run": folder.name, "figure": name, "value": value}
            for folder in folders
            for name, value in figures(folder).items()
        ]
        show(f"{console(pd.DataFrame(rows))}\n\neverything is in {folders[0].path.parent}")

    return exit_code(study)


if __name__ == "__main__":
    sys.exit(main())
