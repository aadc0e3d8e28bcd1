"""The few-shot table: encoders x heads, over seeds and over ways to part the classes.

`python -m fewshot study few_shot A.gin B.gin --seeds 0 1 2 [--splits DIR ...]`; without configs,
those of configs/few_shot. Every run trains on base classes and is evaluated on novel ones by all
heads of its FewShotEvaluation. A split is a folder with base.csv and novel.csv, as create_splits.sh
--few-shot, --few-shot-draw and --few-shot-combination write it; without --splits, the one that the
configs name. The same command again goes on where it was interrupted.
"""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fewshot.console import message, show
from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.reports.tables import console, markdown
from fewshot.studies.arguments import refuse_seed, study_folder
from fewshot.studies.completing import telling_at_an_end
from fewshot.studies.few_shot_table import NOTE, summary, tables
from fewshot.studies.figures import read_results
from fewshot.studies.report_files import write_table, write_text
from fewshot.studies.runs import Run, complete, refuse_wrong

logger = logging.getLogger("fewshot")


def planned(
    configs: Sequence[str],
    seeds: Sequence[int],
    splits: Sequence[Path],
    bindings: Sequence[str] = (),
    also: Sequence[str] = (),
) -> Iterator[tuple[dict[str, Any], Run]]:
    """What each run is (encoder, split, seed) and the run, whole tables of one seed first.

    also: configs that are put behind each encoder's.
    """
    for seed in seeds:
        for split in splits or (None,):
            for config in configs:
                encoder = Path(config).stem
                bound = [*bindings, f"main.seed = {seed}"]
                name = f"{encoder}-seed{seed}"
                if split is not None:
                    name = f"{encoder}-{split.name}-seed{seed}"
                    bound += [
                        f"FashionDataset.csv_file = {str(split / 'base.csv')!r}",
                        f"novel/FashionDataset.csv_file = {str(split / 'novel.csv')!r}",
                    ]
                what = {"encoder": encoder, "split": split.name if split else "", "seed": seed}
                yield what, Run(name, [config, *also], bound)


def accuracies(folder: ExperimentFolder) -> pd.DataFrame:
    """kind, setting, head, mean, ci95, n: every figure of a finished run's FewShotEvaluation.

    Raises UserError where the run has none.
    """
    novel = read_results(folder).get("novel", {})
    rows = [
        {"kind": kind, "setting": setting, "head": head, **figure}
        for kind in ("inductive", "transductive")
        for setting, heads in novel.get(kind, {}).items()
        for head, figure in heads.items()
    ]
    if not rows:
        raise UserError(
            f"{folder.results} has no few-shot figures: its config needs main.evaluators = "
            "[@FewShotEvaluation] and FewShotEvaluation.dataset = @novel/FashionDataset."
        )
    return pd.DataFrame(rows)


def check(given: argparse.Namespace) -> None:
    """Raises UserError for what would give two runs one name, and for a split without its CSVs."""
    named = {
        "--seeds": [str(seed) for seed in given.seeds],
        "the experiments": [Path(config).stem for config in given.encoders],
        "--splits": [split.name for split in given.splits],
    }
    for what, names in named.items():
        if len(set(names)) < len(names):
            raise UserError(f"{what} name one twice: {', '.join(names)}.")
    for split in given.splits:
        missing = [name for name in ("base.csv", "novel.csv") if not (split / name).is_file()]
        if missing:
            raise UserError(
                f"{split} has no {' and no '.join(missing)}: make them with create_splits.sh CSV "
                f"{split} --few-shot (or --few-shot-draw SEED)."
            )


def run_study(given: argparse.Namespace) -> None:
    """Complete every run, then write and print the tables; raises UserError where some failed.

    An interrupted study tells of the runs that are completed.
    """
    refuse_seed(given.parameter, given.config, "--seeds")
    check(given)
    splits = [split.expanduser().absolute() for split in given.splits]
    place = study_folder(given, given.name)
    found: list[pd.DataFrame] = []
    failed = []
    with telling_at_an_end(lambda: tell(found, place) if found else None):
        runs = list(planned(given.encoders, given.seeds, splits, given.parameter, given.config))
        refuse_wrong(run for _, run in runs)
        for what, run in runs:
            try:
                found.append(accuracies(complete(run, place)).assign(**what))
            except UserError as error:  # the others are not kept from running
                logger.warning("%s", message(error))
                failed.append(run.name)
    if found:
        tell(found, place)
    if failed:
        raise UserError(f"not completed, for the reasons above: {', '.join(failed)}.")


def tell(found: Sequence[pd.DataFrame], place: Path) -> None:
    """Write and print the tables of runs as `accuracies` gives them."""
    table = summary(pd.concat(found, ignore_index=True))
    for kind, rows in table.groupby("kind", sort=False):
        write_table(place / f"few_shot_{kind}.csv", rows)
    parts = tables(table).items()
    text = "\n\n".join(f"## {heading}\n\n{markdown(part)}" for heading, part in parts)
    write_text(place / "few_shot.md", f"{NOTE}\n\n{text}\n")
    show("\n\n".join(f"{heading}\n\n{console(part)}" for heading, part in parts))
    show(f"\neverything is in {place}")


if __name__ == "__main__":
    from fewshot.__main__ import main

    sys.exit(main(["study", "few_shot", *sys.argv[1:]]))
