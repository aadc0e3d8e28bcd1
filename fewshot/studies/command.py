"""What the command lines of all studies share: arguments, the log, interrupts, exit codes."""

import argparse
import signal
from collections.abc import Callable

from fewshot.console import message, say, show_log
from fewshot.errors import UserError


def study_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with what every study takes: -p, --output-dir."""
    parser = argparse.ArgumentParser(
        f"python -m fewshot.studies.{program}", description=description
    )
    parser.add_argument(
        "-p", "--parameter", metavar="BINDING", action="append", default=[],
        help="one binding for every run; repeatable, overrides the configs",
    )  # fmt: skip
    parser.add_argument(
        "--output-dir", metavar="DIR", default="experiments",
        help="parent of the study's folder (default: experiments)",
    )  # fmt: skip
    return parser


def exit_code(study: Callable[[], None]) -> int:
    """Of a study run to its end: 0 done, 2 the input is wrong, 130 interrupted (and resumable)."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    show_log()
    try:
        study()
    except UserError as error:
        say(f"error: {message(error)}")
        return 2
    except KeyboardInterrupt as interrupt:
        say(f"interrupted; {interrupt}" if interrupt.args else "interrupted")
        return 130
    return 0
