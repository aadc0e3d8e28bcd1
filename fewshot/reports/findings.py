"""What a report says about a run: figures, headlines, confusions, mistakes, facts."""

import numbers
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from fewshot.reports.tables import MISSING, format_seconds, format_value, is_sampled
from fewshot.wording import as_typed

_HEADLINES = ("top1", "top5", "mean_class_top1", "ceiling")
_SAY_NOTHING_AT_1 = ("top5", "ceiling")
_FIRST = (*_HEADLINES, "n")
_CARDS = 4


class Headline(NamedTuple):
    """One large figure: the value, what it is, and its uncertainty or context."""

    value: str
    name: str
    note: str = ""


def figure_name(key: str) -> str:
    """A key in words: `seen/mean_class_top1` is `seen / mean class top-1`, `5way` is `5-way`."""
    words = key.replace("_", " ").replace("/", " / ")
    words = re.sub(r"\b(\d+)(way|shot)\b", r"\1-\2", words)
    return re.sub(r"\btop(\d+)\b", r"top-\1", words)


def flat(figures: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested figures as {"outer/inner": figure}; a sampled figure stays whole."""
    found: dict[str, Any] = {}
    for key, value in figures.items():
        if isinstance(value, dict) and not is_sampled(value):
            found |= flat(value, f"{prefix}{key}/")
        else:
            found[prefix + key] = value
    return found


def all_figures(results: Mapping[str, Any]) -> pd.DataFrame:
    """Every figure of every split: a row a figure, a column a split."""
    splits = {name: flat(value) for name, value in results.items() if isinstance(value, dict)}
    keys = list(dict.fromkeys(key for split in splits.values() for key in split))
    keys.sort(key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    rows = [[figure_name(key), *(split.get(key) for split in splits.values())] for key in keys]
    return pd.DataFrame(rows, columns=["figure", *splits], dtype=object)


def headlines(results: Mapping[str, Any]) -> list[Headline]:
    """The chief figures of the test split (of validation without one), then what they cost."""
    splits = [name for name, value in results.items() if isinstance(value, dict)]
    split = next((name for name in ("test", "validation", *splits) if name in splits), None)
    figures = flat(results[split]) if split else {}
    real = {key: value for key, value in figures.items() if is_sampled(value) or _is_real(value)}
    first = [*_HEADLINES, str(results.get("selected_by", "")).removeprefix(f"{split}/")]
    chosen = [key for key in first if key in real and not _says_nothing(key, real[key])]
    chosen = chosen or list(real)[:_CARDS]
    found = [_headline(f"{split} {figure_name(key)}", real[key]) for key in chosen]
    if isinstance(figures.get("n"), int):
        found.append(Headline(format_value(figures["n"]), f"{split} images"))
    if results.get("epochs"):
        note = f"epoch {results.get('best_epoch') or results['epochs']} of {results['epochs']}"
        took = format_seconds(float(results.get("train_seconds") or 0))
        found.append(Headline(took, "training time", note))
    return found


def worst_confusions(predictions: pd.DataFrame | None, limit: int = 10) -> pd.DataFrame:
    """The pairs (true class, taken for) that most images fall into; empty where unknown."""
    wrong = _wrong(predictions)
    if predictions is None or wrong.empty:
        return pd.DataFrame()
    pairs = wrong.groupby(["label", "class_1"]).size().sort_values(ascending=False, kind="stable")
    found = pairs.head(limit).reset_index(name="images")
    totals = predictions["label"].value_counts()
    found["share of class"] = found["images"] / found["label"].map(totals)
    return found.rename(columns={"label": "true class", "class_1": "taken for"})


def confident_mistakes(predictions: pd.DataFrame | None, limit: int = 12) -> pd.DataFrame:
    """The wrong predictions with the highest scores; empty where there are none."""
    wrong = _wrong(predictions)
    if wrong.empty or not {"id", "score_1"} <= set(wrong.columns):
        return pd.DataFrame()
    found = wrong.sort_values("score_1", ascending=False, kind="stable").head(limit)
    names = {"id": "id", "label": "true class", "class_1": "taken for", "score_1": "score"}
    return found[list(names)].rename(columns=names).reset_index(drop=True)


def facts(results: Mapping[str, Any], environment: Mapping[str, Any]) -> pd.DataFrame:
    """Run and machine as (fact, value)."""
    found = {key: value for key, value in results.items() if not isinstance(value, dict)}
    apart = ("versions", "git", "resumed")
    found |= {key: value for key, value in environment.items() if key not in apart}
    if "train_seconds" in found:
        found["training time"] = format_seconds(float(found.pop("train_seconds") or 0))
    if isinstance(found.get("command"), list):
        found["command"] = as_typed(map(str, found["command"]))
    found["git"] = _git(environment.get("git"))
    rows = {key.replace("_", " ").replace("/", ", "): item for key, item in flat(found).items()}
    rows = {key: _memory(item) if key.endswith("memory") else item for key, item in rows.items()}
    versions = environment.get("versions") or {}
    rows["versions"] = ", ".join(f"{name} {value}" for name, value in versions.items() if value)
    rows |= _resumptions(environment)
    known = [(name, value) for name, value in rows.items() if value not in (None, "", [])]
    return pd.DataFrame(known, columns=["fact", "value"], dtype=object)


def _resumptions(environment: Mapping[str, Any]) -> dict[str, str]:
    """A row a resumption: when, and what of the machine and the program was another."""
    rows = {}
    for number, facts_then in enumerate(environment.get("resumed") or (), start=1):
        if not isinstance(facts_then, dict):
            continue
        own = ("started", "command", "resumed")
        before, then = (
            flat({key: value for key, value in known.items() if key not in own})
            for known in (environment, facts_then)
        )
        others = [
            f"{key.replace('_', ' ').replace('/', ' ')} {format_value(then.get(key))} "
            f"(was {format_value(before.get(key))})"
            for key in sorted(before.keys() | then.keys())
            if before.get(key) != then.get(key)
        ]
        when = str(facts_then.get("started", MISSING))
        rows[f"resumed, {number}"] = "; ".join([when, *(others or ["all else the same"])])
    return rows


def _headline(name: str, value: Any) -> Headline:
    if not is_sampled(value):
        return Headline(format_value(value), name)
    mean = format_value(value["mean"])
    return Headline(mean, name, format_value(value).removeprefix(mean).strip())


def _says_nothing(key: str, value: Any) -> bool:
    """Whether it is 1 as top-5 is of a few classes, and the ceiling where none is untrained."""
    return key in _SAY_NOTHING_AT_1 and value == 1.0


def _wrong(predictions: pd.DataFrame | None) -> pd.DataFrame:
    if predictions is None or not {"label", "class_1"} <= set(predictions.columns):
        return pd.DataFrame()
    return predictions[predictions["label"] != predictions["class_1"]]


def _is_real(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)


def _git(state: Any) -> str | None:
    if not isinstance(state, dict) or not state.get("commit"):
        return None
    return f"{state['commit']}{' with uncommitted changes' if state.get('dirty') else ''}"


def _memory(size: Any) -> Any:
    return f"{size / 2**30:.1f} GiB" if isinstance(size, int) else size
