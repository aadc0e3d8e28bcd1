import pytest
import torch

from fewshot.errors import UserError
from fewshot.models.extras import Extras, add_extras, as_plain, extras_of
from fewshot.models.model_file import load_model, save_model
from fewshot.models.references import Added, Gallery
from fewshot.objectives.transfer_net import TransferNet
from tests.objectives.toy import ToyEncoder, spec


@pytest.fixture
def path(tmp_path):
    save_model(TransferNet(spec(), ToyEncoder), tmp_path / "model.mdl")
    return tmp_path / "model.mdl"


def gallery(**changes):
    plain = as_plain(
        Gallery(("1", "2"), torch.rand(2, 6), torch.tensor([0, 0]), ("Bags",), head=None)
    )
    return {"gallery": plain | changes}


def added(**changes):
    plain = as_plain(Added(("Caps", "Belts"), torch.rand(3, 6), torch.tensor([0, 1, 1])))
    return {"added": plain | changes}


def prototypes(**changes):
    fields = {
        "class_names": ("Bags", "Hats"),
        "features": torch.rand(2, 6),
        "mean": torch.zeros(6),
        "whitening": torch.eye(6).half(),
        "temperature": 0.1,
    }
    return {"prototypes": fields | changes}


def test_a_model_as_it_was_trained_has_none(path):
    assert extras_of(load_model(path)) == Extras()


def test_what_is_added_is_read_and_what_is_there_stays(path):
    add_extras(path, {"temperature": 1.5, "other": (1, "a")})
    add_extras(path, {"threshold": 0.25} | gallery() | prototypes())
    stored = load_model(path)
    found = extras_of(stored)
    assert (found.temperature, found.threshold) == (1.5, 0.25)
    assert found.gallery.class_names == ("Bags",)
    assert found.prototypes.class_names == ("Bags", "Hats")
    assert stored.extras["other"] == (1, "a")


def test_prototypes_of_the_first_kind_have_no_whitening(path):
    plain = prototypes()["prototypes"]
    del plain["whitening"]
    add_extras(path, {"prototypes": plain})
    assert extras_of(load_model(path)).prototypes.whitening is None


@pytest.mark.parametrize(
    ("extras", "message"),
    [
        ({"temperature": 0.0}, r"temperature is 0\.0, not above 0"),
        ({"temperature": "hot"}, r"temperature is 'hot', not a number"),
        ({"threshold": 1.5}, r"threshold is 1\.5, not from 0 to 1"),
        ({"gallery": 3}, "gallery is a int|gallery is 3"),
        (gallery(ids=("1",)), "gallery has not one id for each of 2 rows"),
        (gallery(labels=torch.tensor([0, 1])), "not one class for each of 2 rows"),
        (gallery(labels=torch.tensor([0.0, 1.0])), r"gallery\.labels is a Tensor, not 2 whole"),
        (gallery(features=torch.full((2, 6), torch.nan)), r"gallery\.features .* not finite"),
        (gallery(head={"name": "os.system()", "arguments": {}}), r"gallery\.head\.name"),
        (prototypes(mean=torch.zeros(5)), r"prototypes\.mean has 5 numbers, and the protot"),
        (prototypes(whitening=torch.eye(5)), r"prototypes\.whitening is not 6 x 6"),
        (added(labels=torch.tensor([0, 0, 0])), "added has not a row for each class"),
        (added(class_names=("Caps", "Caps")), "added has not a row for each class"),
        (added(labels=torch.tensor([0, 1, 2])), "added has not one class for each of 3 rows"),
        (prototypes(class_names=("Bags", "Bags")), "has not one prototype for each class"),
        (prototypes(features=torch.rand(6)), r"features is a Tensor, not numbers in 2 dimensions"),
    ],
)
def test_what_it_should_not_hold_is_refused(path, extras, message):
    add_extras(path, extras)
    with pytest.raises(UserError, match=rf"is damaged \(.*{message}|is damaged \({message}"):
        extras_of(load_model(path))
