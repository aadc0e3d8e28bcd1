"""From classified rows to an Evaluation: figures, files, the report's sections."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from fewshot.evaluation.classification_metrics import Classified
from fewshot.evaluation.naming import prefixed, reported_split, titled
from fewshot.evaluation.pictured import Source, pictured
from fewshot.evaluation.ranking import TOP_K
from fewshot.evaluation.split_rows import has_labels
from fewshot.interfaces import Dataset, Evaluation
from fewshot.reports.findings import confident_mistakes, worst_confusions
from fewshot.sections import Block, Note, Picture, Section, Table
from fewshot.spreadsheet import write_csv

_NO_TOP5 = "Top-5 says nothing of five classes or fewer and is left out."


def classification_report(
    results: Mapping[str, Classified],
    prefix: str = "",
    title: str = "Per class",
    every_confusion: bool = False,
    source: Source | None = None,
) -> Evaluation:
    """The Evaluation of one classifier on several splits; files are of the reported split.

    every_confusion: also the other splits' confusion matrices, as <split>_confusion_matrix.png.
    source: where the images are that the report shows; row i of a split is row i of its result.
    """
    metrics = {split: prefixed(found.metrics(), prefix) for split, found in results.items()}
    split = reported_split(results)
    if split is None:
        return Evaluation(metrics)
    found = results[split]
    predictions = f"{prefix}predictions.csv"
    artifacts: dict[str, Callable[[Path], None]] = {
        predictions: partial(write_csv, found.predictions())
    }
    if not found.known.any():
        note = f"{len(found.ids):,} images were predicted; none has a label: {predictions}"
        section = Section(f"{titled(prefix, 'Predictions')}, {split} split", [Note(note)], 20)
        return Evaluation(metrics, artifacts, [section])
    pictures = {f"{prefix}confusion_matrix.png": found}
    if every_confusion:
        others = {name: other for name, other in results.items() if name != split}
        pictures |= {
            f"{prefix}{name}_confusion_matrix.png": other
            for name, other in others.items()
            if other.known.any()
        }
    artifacts |= {name: _confusion_writer(of) for name, of in pictures.items()}
    sections = [
        _per_class(found, prefix, f"{titled(prefix, title)}, {split} split", predictions),
        *_confusions(list(pictures), prefix, with_images=source is not None),
        *_mistakes(found, prefix, with_images=source is not None),
    ]
    more = None if source is None else partial(pictured, found, split, prefix, source)
    return Evaluation(metrics, artifacts, sections, more=more)


def figure_names(outputs: int, dataset: Dataset, prefix: str) -> set[str]:
    """The names of what `Classified.metrics` may hold for so many outputs on a split."""
    names = {"n_unlabelled"}
    if has_labels(dataset):
        names |= {"n", "top1", "mean_class_top1", "ceiling", "loss", "by_training_rows", "seen"}
        names |= {"top5"} if outputs > TOP_K else set()
    return set(prefixed(dict.fromkeys(names), prefix))


def _per_class(found: Classified, prefix: str, heading: str, predictions: str) -> Section:
    blocks: list[Block] = [Table(f"{prefix}per_class.csv", found.per_class())]
    if not found.tells_top5:
        blocks.append(Note(_NO_TOP5))
    unlabelled = int((~found.known).sum())
    if unlabelled:
        blocks.append(
            Note(f"{unlabelled:,} rows without a label are predicted, too: {predictions}")
        )
    return Section(heading, blocks, 20)


def _confusions(names: list[str], prefix: str, with_images: bool) -> list[Section]:
    """The pictures; the first one is a matrix to click on where images are shown."""
    blocks = [Picture(name, _caption(name, prefix)) for name in names[with_images:]]
    heading = "Confusion matrix of other splits" if with_images else "Confusion matrix"
    return [Section(titled(prefix, heading), blocks, 23, console=False)] if blocks else []


def _mistakes(found: Classified, prefix: str, with_images: bool) -> list[Section]:
    """As tables; the surest ones only where their images are not shown."""
    predictions = found.predictions()[found.known]
    tables = {"Worst confusions": worst_confusions(predictions)}
    if not with_images:
        tables["Most confident mistakes"] = confident_mistakes(predictions)
    names = {title: f"tables/{prefix}{title.lower().replace(' ', '_')}.csv" for title in tables}
    return [
        Section(titled(prefix, title), [Table(names[title], table)], 25, console=False)
        for title, table in tables.items()
        if len(table)
    ]


def _caption(name: str, prefix: str) -> str:
    words = Path(name.removeprefix(prefix)).stem.replace("_", " ")
    return words[:1].upper() + words[1:]


def _confusion_writer(found: Classified) -> Callable[[Path], None]:
    confusions = found.confusions()

    def draw(path: Path) -> None:
        from fewshot.reports.plots import confusion_matrix  # matplotlib is slow to import

        confusion_matrix(confusions, found.classes, path)

    return draw
