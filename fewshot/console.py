"""What the command line writes to stderr: log lines and one message for a user's mistake."""

import logging
import sys

from fewshot.errors import UserError


class _Formatter(logging.Formatter):
    """Information as it is; anything graver under its level's name."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


def show_log() -> None:
    """Send the project's log to stderr, one line a message."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logger = logging.getLogger("fewshot")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False


def say(text: str) -> None:
    """Write one message to stderr."""
    print(text, file=sys.stderr, flush=True)


def message(error: UserError) -> str:
    """The error's own text, without the calls that gin adds to whatever passes through it."""
    return str(error).partition("\n  In call to configurable ")[0]
