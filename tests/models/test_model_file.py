from dataclasses import replace

import pytest
import torch

from fewshot.encoders.cifar_net import CifarNet
from fewshot.errors import UserError
from fewshot.models.model_file import load_model, restore, save_model
from fewshot.models.stored import StoredImages, StoredInputs
from fewshot.objectives.rotation_net import RotationNet
from fewshot.objectives.transfer_net import TransferNet
from fewshot.objectives.triplet_net import TripletNet
from tests.models.rewriting import downgrade, rewrite
from tests.objectives.toy import CLASSES, Pretext, ToyEncoder, batch, images, spec


@pytest.fixture
def trained():
    """A classifier whose norms have seen a batch."""
    torch.manual_seed(3)
    objective = TransferNet(replace(spec(), resize="pad"), ToyEncoder)
    objective(batch())
    return objective.eval()


def test_restored_scores_are_bit_equal(tmp_path, trained):
    save_model(trained, tmp_path / "model.mdl")
    other = TransferNet(spec(), ToyEncoder).eval()
    assert not torch.equal(other.scores(images()), trained.scores(images()))
    restore(other, load_model(tmp_path / "model.mdl"))
    assert torch.equal(other.scores(images()), trained.scores(images()))


def test_everything_the_format_promises_is_there(tmp_path, trained):
    save_model(trained, tmp_path / "model.mdl")
    stored = load_model(str(tmp_path / "model.mdl"))
    assert stored.objective == "TransferNet"
    assert stored.encoder.name == "ToyEncoder"
    assert stored.encoder.arguments == trained.encoder.arguments
    assert stored.classifier.name == "LinearClassifier"
    assert stored.classifier.arguments == {"num_features": 6, "num_classes": 3, "cells": 1}
    assert set(stored.classifier.state) == {"linear.weight", "linear.bias"}
    assert stored.rest == {}
    assert stored.class_names == CLASSES
    assert stored.images == StoredImages((12, 10), 1, "pad")
    assert stored.inputs == StoredInputs((12, 10), 1, (0.3,), (0.2,))
    assert stored.csv_digest == "abc"
    assert [path.name for path in tmp_path.iterdir()] == ["model.mdl"]


def test_a_pretext_model_keeps_the_classes_but_has_no_classifier(tmp_path):
    save_model(Pretext(spec(size=(16, 16)), CifarNet), tmp_path / "model.mdl")
    stored = load_model(tmp_path / "model.mdl")
    assert stored.classifier is None
    assert set(stored.rest) == {"decoder.weight", "decoder.bias"}
    assert stored.class_names == CLASSES


def test_an_interrupted_save_leaves_the_old_file_whole(tmp_path, trained, monkeypatch):
    path = tmp_path / "model.mdl"
    save_model(trained, path)
    before = path.read_bytes()

    def interrupted(content, file):
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(trained, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_model_or_a_folder(tmp_path):
    with pytest.raises(UserError, match=r"none\.mdl' does not exist: name the model\.mdl of an"):
        load_model(tmp_path / "none.mdl")
    with pytest.raises(UserError, match=r"is a folder: name the file in it, '.*/model\.mdl'"):
        load_model(tmp_path)


def test_a_file_cut_short_or_foreign_or_dangerous(tmp_path, trained):
    path = tmp_path / "model.mdl"
    save_model(trained, path)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"id,articleType\n1,Bags\n"):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"cannot be read .* it is cut short or no model\.mdl"):
            load_model(path)
    torch.save({"code": exit}, path)
    with pytest.raises(UserError, match="cannot be read"):
        load_model(path)


def test_a_checkpoint_is_not_taken_for_a_model(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match=r"is no model\.mdl of this program.*not last\.ckpt"):
        load_model(tmp_path / "last.ckpt")


def test_a_newer_version_is_refused_by_name(tmp_path, trained):
    save_model(trained, tmp_path / "model.mdl")
    rewrite(tmp_path / "model.mdl", lambda content: content.update(version=3))
    with pytest.raises(UserError, match="has format version 3, and this program reads up to 2"):
        load_model(tmp_path / "model.mdl")


def test_a_file_that_lacks_a_part_is_refused(tmp_path, trained):
    path = tmp_path / "model.mdl"
    save_model(trained, path)
    rewrite(path, lambda content: content.pop("class_names"))
    with pytest.raises(UserError, match=r"is damaged \(it has no class_names\): copy it again"):
        load_model(path)


def test_restoring_into_another_encoder_names_the_tensors(tmp_path, trained):
    save_model(trained, tmp_path / "model.mdl")
    wider = TransferNet(spec(), lambda **sizes: ToyEncoder(width=8, **sizes))
    with pytest.raises(UserError) as error:
        restore(wider, load_model(tmp_path / "model.mdl"))
    assert "the encoder ToyEncoder of" in str(error.value)
    assert "conv.weight is [6, 1, 3, 3] in the file and [8, 1, 3, 3] here" in str(error.value)


@pytest.mark.parametrize("method", [TransferNet, RotationNet, TripletNet, Pretext])
def test_a_file_of_the_first_version_is_the_same_model(tmp_path, method):
    path = tmp_path / "model.mdl"
    objective = method(spec(size=(12, 12)), ToyEncoder)
    save_model(objective, path)
    new = load_model(path)
    downgrade(path)
    old = load_model(path)
    other = method(spec(size=(12, 12)), ToyEncoder)
    restore(other, old)
    for name, value in objective.rest_state().items():
        assert torch.equal(other.rest_state()[name], value)
    assert (old.classifier is None) == (new.classifier is None)
    if new.classifier is not None:
        assert old.classifier.name == new.classifier.name == "LinearClassifier"
        assert old.classifier.arguments == new.classifier.arguments
