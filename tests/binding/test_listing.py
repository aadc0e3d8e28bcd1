import inspect

import gin
import pytest

from fewshot.binding.listing import first_line, listing, noun
from fewshot.errors import UserError
from tests.binding import dummies


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    dummies.isolate(monkeypatch)
    yield
    gin.clear_config()


def test_an_entry_has_name_documentation_parameters_and_defaults():
    assert (
        listing("dummynet")
        == inspect.cleandoc(
            """
        plug-ins

          DummyNet
              A net that is none
              encoder=None, loss=None, size=(1, 1), saved_model_path=None
        """
        )
        + "\n"
    )


def test_the_word_is_looked_for_in_the_documentation_too():
    assert "DummyLoss" in listing("penalises NOTHING")
    assert "DummyNet" not in listing("penalises nothing")


def test_the_word_is_looked_for_in_the_parameters_too():
    assert "  Trainer\n" in listing("keep_every")


def test_a_third_party_entry_stands_under_its_family():
    lines = listing("OneCycle").splitlines()
    assert lines[0] == "torch.optim.lr_scheduler"
    assert lines[2] == "  torch.optim.lr_scheduler.OneCycleLR"
    assert "optimizer, max_lr, total_steps=None" in listing("OneCycle")


def test_everything_is_listed_once_and_no_line_is_too_long():
    text = listing()
    names = [line for line in text.splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(names) == len(set(names))
    assert "  pml.ProxyAnchorLoss" in names and "  lightly.NTXentLoss" in names
    assert "gin.macro" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_word_that_is_nowhere_gets_suggestions():
    with pytest.raises(UserError, match=r"--list DummyNte: no name, .* Did you mean DummyNet"):
        listing("DummyNte")


@pytest.mark.parametrize(
    ("selector", "heading"),
    [
        ("fewshot.main.main", "experiment"),
        ("fewshot.objectives.triplet.TripletNet", "objectives"),
        ("fewshot.data.importers.folder.Folder", "data"),
        ("torch.optim.Adam", "torch.optim"),
        ("my_method.MyNet", "plug-ins"),
    ],
)
def test_nouns(selector, heading):
    assert noun(selector) == heading


def test_the_first_sentence():
    assert first_line(dummies.DummyNet) == "A net that is none"
    assert first_line(dummies.DummyData) == ""
    assert first_line(dummies.dummy_main) == ""
