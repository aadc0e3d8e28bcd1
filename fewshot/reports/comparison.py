"""Runs side by side: what they reached, how sure the differences are, and where they disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import pandas as pd

from fewshot.errors import UserError
from fewshot.reports.contents import RunFiles
from fewshot.reports.disagreements import disagreements
from fewshot.reports.findings import all_figures, figure_name
from fewshot.reports.paired import pair, significance
from fewshot.reports.tables import format_seconds, is_sampled
from fewshot.sections import Block, Note, Picture, Section, Table

CURVES = "compared_curves.png"
_MOST_RUNS = len(ascii_uppercase)
COLUMNS = (
    *("first", "second", "figure", "of_first", "of_second", "difference", "low", "high", "p", "n"),
)
_PAIRED_NOTE = (
    "The difference is second less first; its interval is a bootstrap of the common images (10,000 "
    "draws, for the mean of classes within each class); p is that of McNemar's exact test: how "
    "often so uneven a split of the images that one run alone has right would be chance. How much "
    "another seed changes a model is not in it: study seeds tells that."
)


@dataclass(frozen=True)
class Comparison:
    """sections: as terminal and page show them; table: every figure that a run has in common with
    the first one, a row each: first, second, figure, their values, the difference (second less
    first), and low, high, p, n where it is paired on common images or episodes.
    """

    sections: Sequence[Section]
    table: pd.DataFrame


def compare_runs(
    runs: Sequence[RunFiles], bound: pd.DataFrame, episodes: pd.DataFrame, folder: Path
) -> Comparison:
    """Compare each run with the first.

    bound: what is bound differently, a row a name, a column a run. episodes: runs ("A, B"),
    episodes, first, second, difference, ci95, n of those that both have. folder: where the page's
    own pictures are written. Raises UserError for more runs than there are letters.
    """
    if len(runs) > _MOST_RUNS:
        raise UserError(f"{len(runs)} runs are given: compare {_MOST_RUNS} at most.")
    lettered = dict(zip(ascii_uppercase, runs, strict=False))
    first, *others = lettered
    paired, apart = [], []
    for letter in others:
        found = _significance(lettered[first], lettered[letter])
        if found is not None:
            paired.append(found.assign(second=letter))
        apart += disagreements(first, lettered[first], letter, lettered[letter], folder)
    tests = pd.concat(paired) if paired else pd.DataFrame()
    sections = [
        Section("Runs", [Table("runs.csv", _runs(lettered))], 5),
        _paired_section(tests, first, others),
        *_episode_sections(episodes),
        Section("Figures", [Table("figures.csv", _figures(lettered))], 20),
        Section("Learning curves", [Picture(CURVES, "Learning curves")], 30, console=False),
        _bound_section(bound),
        *apart,
    ]
    return Comparison(sections, _table(lettered, tests, episodes))


def _runs(lettered: Mapping[str, RunFiles]) -> pd.DataFrame:
    rows = [
        {
            "run": letter,
            "name": run.title,
            "epochs": run.results.get("epochs"),
            "training time": format_seconds(float(run.results.get("train_seconds") or 0)),
            "chosen by": run.results.get("selected_by"),
            "seed": run.results.get("seed"),
            "folder": str(run.folder),
        }
        for letter, run in lettered.items()
    ]
    return pd.DataFrame(rows, dtype=object)


def _figures(lettered: Mapping[str, RunFiles]) -> pd.DataFrame:
    """A row a figure of a split that any run has, a column a run."""
    flat = {letter: _flat(run) for letter, run in lettered.items()}
    keys = list(dict.fromkeys(key for figures in flat.values() for key in figures))
    keys.sort(key=lambda key: key.split("/")[0] != "test")
    rows = [[figure_name(key), *(figures.get(key) for figures in flat.values())] for key in keys]
    return pd.DataFrame(rows, columns=["figure", *flat], dtype=object)


def _flat(run: RunFiles) -> dict[str, Any]:
    """{"split/figure in words": figure}."""
    table = all_figures(run.results)
    return {
        f"{split}/{row['figure']}": row[split]
        for split in table.columns[1:]
        for row in table.to_dict("records")
        if row[split] is not None and not (isinstance(row[split], float) and pd.isna(row[split]))
    }


def _significance(first: RunFiles, second: RunFiles) -> pd.DataFrame | None:
    """None where they have no test image in common."""
    found = pair(first.predictions, second.predictions)
    return significance(found) if len(found.ids) else None


def _paired_section(tests: pd.DataFrame, first: str, others: Sequence[str]) -> Section:
    missing = sorted(set(others) - set(tests["second"] if len(tests) else []))
    blocks: list[Block] = []
    if len(tests):
        blocks = [Table("paired.csv", _shown_tests(tests, first), _PAIRED_NOTE)]
    if missing:
        text = f"{first} and {', '.join(missing)} have no labelled test image in common."
        blocks.append(Note(text))
    return Section("Paired on the test images of both", blocks, 10)


def _shown_tests(tests: pd.DataFrame, first: str) -> pd.DataFrame:
    rows = [
        {
            "runs": f"{first}, {row['second']}",
            "figure": figure_name(str(row["figure"])),
            "first": row["of_first"],
            "second": row["of_second"],
            "difference": row["difference"],
            "95 % interval": f"{row['low']:+.4f} to {row['high']:+.4f}",
            "p (McNemar)": row["p"],
            "images": row["n"],
        }
        for row in tests.to_dict("records")
    ]
    return pd.DataFrame(rows)


def _episode_sections(episodes: pd.DataFrame) -> list[Section]:
    if episodes.empty:
        return []
    note = "second less first, episode by episode, with its 95 % confidence interval"
    return [Section("Few-shot episodes of both", [Table("episodes.csv", episodes, note)], 15)]


def _bound_section(bound: pd.DataFrame) -> Section:
    blocks: list[Block] = [Table("bound.csv", bound)] if len(bound) else [Note("Nothing.")]
    return Section("Bound differently", blocks, 40)


def _table(
    lettered: Mapping[str, RunFiles], tests: pd.DataFrame, episodes: pd.DataFrame
) -> pd.DataFrame:
    """Every figure that a run shares with the first one; paired ones with their intervals."""
    first, *others = lettered
    rows: list[dict[str, Any]] = []
    for letter in others:
        pair_of = {"first": lettered[first].title, "second": lettered[letter].title}
        mine, theirs = _flat(lettered[first]), _flat(lettered[letter])
        for key in mine.keys() & theirs.keys():
            a, b = _number(mine[key]), _number(theirs[key])
            if a is not None and b is not None:
                rows.append(
                    {**pair_of, "figure": key, "of_first": a, "of_second": b, "difference": b - a}
                )
        rows.sort(key=lambda row: (row["second"], row["figure"]))
        for found in tests.to_dict("records") if len(tests) else ():
            if found["second"] == letter:
                told = {str(key): value for key, value in found.items()}
                rows.append({**told, **pair_of, "figure": f"paired/{found['figure']}"})
        for found in episodes.to_dict("records"):
            if found["runs"] == f"{first}, {letter}":
                rows.append({**pair_of, **_episode_row(found)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _episode_row(found: Mapping[Any, Any]) -> dict[str, Any]:
    gap, half = found["difference"], found["ci95"]
    return {
        "figure": f"episodes/{found['episodes']}",
        "of_first": found["first"],
        "of_second": found["second"],
        "difference": gap,
        "low": gap - half,
        "high": gap + half,
        "n": found["n"],
    }


def _number(value: Any) -> float | None:
    if is_sampled(value):
        value = value["mean"]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None
