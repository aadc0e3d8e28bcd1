"""The command line: python experiment.py -c configs/triplet.gin -p "main.num_epochs=10"."""

import argparse
import shlex
import sys
from pathlib import Path

from fewshot.console import exit_code, show, uncollected


def parse(argv: list[str]) -> argparse.Namespace:
    """Arguments, checked against each other; exits with 2 where they are wrong."""
    parser = argparse.ArgumentParser(description="Run one experiment, described by .gin files.")
    add, several = parser.add_argument, "append"
    add("-c", "--config", metavar="FILE", action=several, help=".gin file; a later one overrides")
    add("-p", "--parameter", metavar="BINDING", action=several, help="one binding; overrides files")
    add("--name", help="experiment folder's name (default: <config stem>-<UTC time>)")
    add("--output-dir", metavar="DIR", help="parent of experiment folders (default: experiments)")
    add("--resume", metavar="DIR", help="go on with an interrupted experiment, by its own config")
    add("--dry-run", action="store_true", help="build everything, run one batch, write nothing")
    add("--explain", metavar="NAME", nargs="?", const="", help="where each bound value comes from")
    add("--list", metavar="WORD", nargs="?", const="", help="what can be bound, where WORD occurs")
    args = parser.parse_args(argv)
    if args.resume is not None and (args.config or args.parameter or args.name or args.output_dir):
        parser.error("--resume takes all from its folder: drop -c, -p, --name and --output-dir")
    if not args.config and args.resume is None and args.list is None:
        known = sorted(path.name for path in Path(__file__).resolve().parent.glob("configs/*.gin"))
        parser.error(
            f"no config is given: add -c configs/FILE, for example one of {', '.join(known)}"
        )
    return args


def start(args: argparse.Namespace) -> None:
    """List names, or run; an interrupt of a run that has begun says how to go on."""
    with uncollected():  # what is imported takes seconds, so not before the arguments are right
        from fewshot.binding import config
        from fewshot.binding.explaining import explanation
        from fewshot.binding.listing import listing

        if args.list is not None or args.explain is not None:
            config.load(args.config or [], args.parameter or [])
            show(listing(args.list) if args.list is not None else explanation(args.explain))
            return
        given, parent = args.parameter or [], args.output_dir or "experiments"
        if args.resume is not None:
            request = config.resumed_run(args.resume, args.dry_run)
        else:
            request = config.new_run(args.config, given, args.name, parent, args.dry_run)
        from fewshot.binding.refused import refusals_named
        from fewshot.main import main

    try:
        with refusals_named():
            main(request)
    except KeyboardInterrupt:
        if request.dry_run or not (request.folder / "config.gin").is_file():
            raise
        folder = shlex.quote(str(request.folder))
        raise KeyboardInterrupt(f"go on with: python experiment.py --resume {folder}") from None


def run(argv: list[str]) -> int:
    """The exit code: 0 done, 2 the user's input is wrong, 130 interrupted."""
    args = parse(argv)
    return exit_code(lambda: start(args))


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
