"""A head and an evaluator written beside a config work with no edit anywhere else."""

import contextlib
import io
import json

import pytest

from fewshot.reports.report import write_report
from tests.test_main import SMALL, run

PLUG_IN = '''
from pathlib import Path

import gin
import numpy as np
import pandas as pd
import torch
from PIL import Image

from fewshot.evaluation.inference import embed
from fewshot.interfaces import Evaluation
from fewshot.sections import Link, Note, Picture, Section, Table


@gin.register
class FarthestPrototype:
    """A head: the class whose mean is farthest."""

    def __call__(self, support, labels, query, n_classes):
        means = torch.stack([support[labels == c].mean(0) for c in range(n_classes)])
        return torch.cdist(query, means)


@gin.register
class EmbeddingLengths:
    """An evaluator: how long embeddings are."""

    monitors = False

    def __init__(self, name="lengths"):
        self.name = name

    def __call__(self, objective, datasets):
        lengths = embed(objective, datasets["test"]).norm(dim=1).cpu().numpy()
        ends = [lengths.min(), lengths.max()]
        table = pd.DataFrame({"end": ["=lowest", "highest"], "length": ends})

        def draw(path: Path) -> None:
            Image.new("RGB", (8, 8)).save(path)

        section = Section(
            "Lengths of embeddings",
            [
                Table(f"tables/{self.name}.csv", table, "a note below the table"),
                Picture(f"{self.name}.png", "a picture of lengths"),
                Note("What a plug-in has to say."),
                Link(f"{self.name}.html", "a page of lengths"),
            ],
        )
        artifacts = {
            f"{self.name}.png": draw,
            f"{self.name}.html": lambda path: path.write_text("<p>lengths</p>"),
        }
        return Evaluation({"test": {"length": float(lengths.mean())}}, artifacts, [section])
'''

CONFIG = """
import lengths_of_embeddings
include 'configs/transfer.gin'
main.evaluators = [@Classification, @far/GalleryClassification, @EmbeddingLengths]
far/GalleryClassification.head = @FarthestPrototype
far/GalleryClassification.prefix = 'far_'
"""


@pytest.fixture(scope="module")
def finished(shop, tmp_path_factory):
    """The folder of a run and what it printed."""
    plug_in = tmp_path_factory.mktemp("plug_in")
    (plug_in / "lengths_of_embeddings.py").write_text(PLUG_IN)
    (plug_in / "plug_in.gin").write_text(CONFIG)
    printed = io.StringIO()
    bindings = [*shop.bindings(), *SMALL, "main.num_epochs = 1"]
    with contextlib.redirect_stdout(printed):
        folder = run(plug_in, "run", [str(plug_in / "plug_in.gin")], bindings)
    return folder, printed.getvalue()


def test_the_section_of_a_plug_in_is_shown_everywhere(finished):
    folder, console = finished
    figures = json.loads((folder / "results.json").read_text())["test"]
    assert figures["length"] > 0
    assert 0 <= figures["far_top1"] <= 1
    markdown, page = ((folder / f"report.{kind}").read_text() for kind in ("md", "html"))
    for text in (console, markdown, page):
        for shown in (
            *("Lengths of embeddings", "=lowest", "a note below the table", "a picture of lengths"),
            *("What a plug-in has to say.", "a page of lengths", "lengths.html"),
        ):
            assert shown in text, shown
    assert "![a picture of lengths](lengths.png)" in markdown
    assert "href='lengths.html'" in page
    assert (folder / "tables" / "lengths.csv").read_text().splitlines()[1].startswith("'=lowest,")


def test_the_report_can_be_made_again_from_files_alone(finished):
    folder, _ = finished
    names = ("report.md", "report.html")
    before = [(folder / name).read_bytes() for name in names]
    for name in names:
        (folder / name).unlink()
    write_report(folder)
    assert [(folder / name).read_bytes() for name in names] == before
