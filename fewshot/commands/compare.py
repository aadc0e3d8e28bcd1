"""Two or more runs side by side: figures, whether they differ by chance, bindings, images.

Each run is held against the first. Runs that are evaluated on the same test images are paired image
by image, those on the same episodes episode by episode.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fewshot.console import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from fewshot.reports.contents import RunFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The runs, and where to write."""
    add = parser.add_argument
    add("runs", nargs="+", metavar="RUN", type=Path, help="experiment folders, two or more, or "
        "their episodes.npz")  # fmt: skip
    add("--csv", type=Path, metavar="FILE", help="also write every figure that two runs share")
    add("--html", type=Path, metavar="FILE", help="also write a page with curves and images")


def run(given: argparse.Namespace) -> None:
    """Print the comparison, and write what is asked for."""
    from fewshot.errors import UserError
    from fewshot.experiment.files import refuse_what_is_no_file, write_atomically
    from fewshot.spreadsheet import write_csv

    written = [path for path in (given.csv, given.html) if path]
    for path in written:
        refuse_what_is_no_file(path)
    if len(given.runs) < 2:
        raise UserError(f"compare: {given.runs[0]} alone is given: name two runs or more.")
    if not all((path / "results.json").is_file() for path in given.runs):
        table = _episodes_alone(given.runs)
        if given.html:
            raise UserError(
                "--html needs runs with a results.json, which not all of these have: name the "
                "folders of finished experiments."
            )
    else:
        table = _whole_runs(given.runs, given.html)
    if given.csv:
        write_atomically(given.csv, lambda path: write_csv(table, path))
    for path in written:
        show(str(path))


def _episodes_alone(paths: "Sequence[Path]") -> "pd.DataFrame":
    """One line for each head and setting."""
    import pandas as pd

    from fewshot.evaluation.compare import compare

    tables = [compare(paths[0], other) for other in paths[1:]]
    for letter, table in zip("BCDEFGHIJKLMNOPQRSTUVWXYZ", tables, strict=False):
        for row in table.to_dict("records"):
            show(
                f"{row['episodes']}, {row['n']} episodes: A {row['A']:.4f}, {letter} "
                f"{row['B']:.4f}, A - {letter} = {100 * row['difference']:+.1f} +- "
                f"{100 * row['ci95']:.1f} points"
            )
    others = [str(path) for path in paths[1:]]
    named = [table.assign(second=other) for table, other in zip(tables, others, strict=True)]
    return pd.concat(named).assign(first=str(paths[0]))


def _whole_runs(paths: "Sequence[Path]", html: Path | None) -> "pd.DataFrame":
    from tempfile import TemporaryDirectory

    from fewshot.evaluation.compare import shared_episodes
    from fewshot.reports.comparison import compare_runs
    from fewshot.reports.comparison_page import comparison_text, write_comparison
    from fewshot.reports.contents import read_run

    runs = [read_run(path) for path in paths]
    with TemporaryDirectory() as name:
        folder = Path(name)
        found = compare_runs(runs, _bound_differently(runs), shared_episodes(paths), folder)
        show(comparison_text(found))
        if html:
            write_comparison(found, runs, html, folder)
    return found.table


def _bound_differently(runs: "Sequence[RunFiles]") -> "pd.DataFrame":
    """A row for each name that the configs bind otherwise, a column a run: value and place.

    Before them the config files that the runs were started with, where these differ.
    """
    from string import ascii_uppercase

    import pandas as pd

    from fewshot.binding.explaining import bound_values

    configs = [run.folder / "config.gin" for run in runs]
    sides = [bound_values([str(path)]) if path.is_file() else {} for path in configs]
    names = sorted({name for side in sides for name in side})
    rows = [["config files", *map(_config_files, runs)]]
    rows += [[name, *(_with_place(side.get(name)) for side in sides)] for name in names]
    values = [rows[0][1:], *([side.get(name, ("",))[0] for side in sides] for name in names)]
    different = [row for row, found in zip(rows, values, strict=True) if len(set(found)) > 1]
    columns = ["binding", *ascii_uppercase[: len(runs)]]
    return pd.DataFrame(different, columns=columns, dtype=object)


def _with_place(bound: tuple[str, str] | None) -> str:
    """A value and the file and line that bind it: `1e-3  (config.gin:12)`."""
    if bound is None:
        return "not bound"
    value, place = bound
    return f"{value}  ({Path(place).name})" if place else value


def _config_files(run: "RunFiles") -> str:
    """What -c named when the run was started."""
    files = run.environment.get("config_files") or ["not noted"]
    return ", ".join(Path(file).name for file in files)
