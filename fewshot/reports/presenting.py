"""What a finished run shows: its report, and its tables on the console."""

import logging
from collections.abc import Sequence
from pathlib import Path

from fewshot.console import show
from fewshot.interfaces import Evaluation
from fewshot.reports.report import write_report
from fewshot.reports.tables import console, is_per_class, per_class_text

logger = logging.getLogger("fewshot")


def present(folder: Path, evaluations: Sequence[Evaluation]) -> None:
    """Write the report and print the tables; a report that cannot be made is a warning."""
    try:
        write_report(folder)
    except Exception as error:  # of any kind: the figures are safe
        reason = " ".join(str(error).split()) or type(error).__name__
        logger.warning("the report could not be made: %s", reason)
    for evaluation in evaluations:
        for heading, table in evaluation.tables.items():
            text = per_class_text(table) if is_per_class(table) else console(table)
            show(f"\n{heading}\n\n{text}")
    show(f"\neverything is in {folder}")
