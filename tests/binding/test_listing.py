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


def test_an_entry_has_name_documentation_parameters_defaults_and_origin():
    assert listing("dummynet") == (
        "plug-ins\n\n"
        "  DummyNet\n"
        "      A net that is none\n"
        "      encoder=None, loss=None, size=(1, 1), saved_model_path=None\n"
        "      from tests.binding.dummies\n"
    )


def test_a_whole_name_is_that_name_alone():
    assert "KNNClassification" not in listing("KNN")
    assert "KNNClassification" in listing("knn")


def test_scoped_data_sets_are_found():
    text = listing("novel/FashionDataset.csv_file")
    assert "  novel/FashionDataset " in text
    assert "FewShotEvaluation.dataset = @novel/FashionDataset" in text


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


def test_without_a_word_every_name_has_one_short_line():
    text = listing()
    names = [line.split()[0] for line in text.splitlines() if line.startswith("  ")]
    assert {name for name in names if names.count(name) > 1} <= {"FashionDataset"}
    assert {"TripletNet", "KNNClassification", "SmallResNet", "novel/FashionDataset"} <= set(names)
    assert "pml.*, from pytorch_metric_learning\n" in text and "ProxyAnchorLoss," in text
    assert "gin.macro" not in text and "parameters" in text
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("\n") < 200


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
    assert first_line(dummies.DummyNet.__doc__) == "A net that is none"
    assert first_line("") == ""
