"""What the command lines of all studies share."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from fewshot.errors import UserError
from fewshot.studies.engines.options import EngineOptions, read_resources


def add_run_arguments(
    parser: argparse.ArgumentParser,
    config: str = "one more config for every run, behind its own; repeatable",
    parameter: str = "one binding for every run; repeatable, overrides the configs",
    parent_of: str = "the study's folder",
) -> None:
    """What every study takes, and what each is: -c, -p, --output-dir."""
    parser.add_argument(
        "-c", "--config", metavar="FILE", action="append", default=[],
        help=config,
    )  # fmt: skip
    parser.add_argument(
        "-p", "--parameter", metavar="BINDING", action="append", default=[],
        help=parameter,
    )  # fmt: skip
    parser.add_argument(
        "--output-dir", metavar="DIR", default="experiments",
        help=f"parent of {parent_of} (default: experiments)",
    )  # fmt: skip


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Where runs are computed, and how many at a time: --engine, --address, --resources, --jobs."""
    parser.add_argument(
        "--engine", metavar="NAME", default="local",
        help="where the runs are computed: local, processes of this machine (default); ray, the "
        "machines of a Ray cluster, which share the file system",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N",
        help="runs side by side, each with its share of the cores (default: 1)",
    )  # fmt: skip

    parser.add_argument(
        "--address", metavar="HOST:PORT",
        help="of the Ray cluster, or 'auto' (default: one is started on this machine)",
    )  # fmt: skip
    parser.add_argument(
        "--resources", metavar="NAME=AMOUNT", action="append", default=[],
        help="what each run takes of a cluster, such as GPU=1; repeatable (default: CPU=1)",
    )  # fmt: skip


def options_of(given: argparse.Namespace) -> EngineOptions:
    """What the command line says of the engine; raises UserError for what cannot be."""
    return EngineOptions(given.jobs, given.address, read_resources(given.resources))


def add_choice_arguments(parser: argparse.ArgumentParser) -> None:
    """By what the best run is chosen, what else is told of it, and the study's folder."""
    parser.add_argument(
        "--figure", default="validation/top1", metavar="SPLIT/NAME",
        help="what chooses (validation/top1); of one that ends in 'loss' the smallest is best",
    )  # fmt: skip
    parser.add_argument(
        "--told", default="test/top1", metavar="SPLIT/NAME", help="told beside it (test/top1)"
    )
    parser.add_argument("--name", help="the study's folder (default: of the experiment's name)")


def study_folder(given: argparse.Namespace, default: str) -> Path:
    """The folder of the study that a command line asks for; default: its name without --name."""
    return Path(given.output_dir).expanduser().absolute() / (given.name or default)


def refuse_seed(bound: Iterable[str], configs: Sequence[str], instead: str) -> None:
    """Raises UserError for a binding of main.seed, which a study gives to each of its runs.

    bound: bindings, or their names; configs: those behind every run; instead: what says which seeds
    those are.
    """
    from fewshot.binding.config import where_bound  # what tells of arguments alone needs no gin

    bindings = [text if "=" in text else f"{text} = 0" for text in bound]
    place = where_bound(("", "fewshot.main.main", "seed"), configs, bindings)
    if place:
        named = place.startswith("-p ")
        raise UserError(
            f"main.seed{'' if named else f' in {place}'} would reach no run, since the study gives "
            f"each its own: {'' if named else 'remove it there, and '}name {instead}."
        )
