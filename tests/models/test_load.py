import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gin
import numpy as np
import pytest
import torch

from fewshot.errors import UserError
from fewshot.models.load import load
from fewshot.models.model_file import load_model, save_model, write
from fewshot.models.parts import Projection
from fewshot.objectives.autoencoder import AutoEncoder
from fewshot.objectives.classifiers import CosineClassifier
from fewshot.objectives.decoders import UpsamplingDecoder
from fewshot.objectives.ensemble_net import EnsembleNet
from fewshot.objectives.matching_net import MatchingNet
from fewshot.objectives.prototypical_net import PrototypicalNet
from fewshot.objectives.rotation_net import RotationNet
from fewshot.objectives.transfer_net import TransferNet
from fewshot.objectives.triplet_net import TripletNet
from tests.models.rewriting import downgrade
from tests.objectives.toy import CLASSES, Pretext, ToyEncoder, batch, images, spec


@pytest.fixture(autouse=True)
def nothing_stays_bound():
    yield
    gin.clear_config()


def converting():
    """Grey images for an encoder of RGB, cut to their centre."""
    lines = ["size = (10, 8)", "channels = 3", "mean = 'imagenet'", "std = 'imagenet'"]
    gin.parse_config([f"Inputs.{line}" for line in lines])
    return TransferNet(spec(), ToyEncoder)


def short(num_features):
    return Projection(num_features, 4, normalize=False)


OBJECTIVES = {
    "transfer": lambda: TransferNet(spec(), ToyEncoder),
    "cosine": lambda: TransferNet(spec(), ToyEncoder, classifier=CosineClassifier),
    "converted": converting,
    "triplet": lambda: TripletNet(spec(), ToyEncoder),
    "short": lambda: TripletNet(spec(), ToyEncoder, projection=short),
    "rotation": lambda: RotationNet(spec(), ToyEncoder),
    "autoencoder": lambda: AutoEncoder(spec(size=(16, 16)), ToyEncoder, decoder=UpsamplingDecoder),
    "prototypical": lambda: PrototypicalNet(spec(), ToyEncoder),
    "matching": lambda: MatchingNet(spec(), ToyEncoder),
    "plug-in": lambda: Pretext(spec(), ToyEncoder),
}


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_file_alone_embeds_and_scores_as_the_objective_does(tmp_path, name, earlier):
    torch.manual_seed(2)
    objective = OBJECTIVES[name]()
    objective.encoder.norm(torch.randn(4, 6, 5, 5))  # moves its statistics
    objective.eval()
    path = tmp_path / "model.mdl"
    save_model(objective, path)
    if earlier:
        downgrade(path)
    model, seen = load(path), images(size=objective.spec.image_size)
    assert torch.equal(model.embed(seen), objective.embed(seen))
    assert model.class_names == CLASSES
    assert model.image_size == objective.spec.image_size
    assert model.classifies == hasattr(objective, "scores")
    assert not any(part.training for part in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    if model.classifies:
        assert torch.equal(model.scores(seen), objective.scores(seen))
        assert torch.equal(model(seen), model.scores_of(model.embed(seen)))
    else:
        assert torch.equal(model(seen), model.embed(seen))
        with pytest.raises(UserError, match=r"has no classifier: classify its embedding by"):
            model.scores(seen)


def test_images_prepared_otherwise_are_refused(tmp_path):
    path = tmp_path / "model.mdl"
    save_model(TransferNet(replace(spec(), resize="pad"), ToyEncoder), path)
    model = load(path)
    assert (model.image_size, model.image_channels, model.resize) == ((12, 10), 1, "pad")
    for wrong in (images(size=(10, 12)), images(channels=3), images()[0]):
        with pytest.raises(
            UserError, match=r"takes images \[n, 1, 12, 10\], not .*\(resize='pad'\)"
        ):
            model.embed(wrong)
    downgrade(path)
    old = load(path)
    assert (old.image_channels, old.resize) == (None, None)
    with pytest.raises(UserError, match=r"takes images \[n, 1 or 3, 12, 10\]"):
        old.embed(images(channels=2))


def test_an_objective_that_embeds_in_its_own_way_is_refused(tmp_path):
    class Squared(Pretext):
        def embed(self, seen):
            return super().embed(seen).square()

    path = tmp_path / "model.mdl"
    save_model(Squared(spec(), ToyEncoder), path)
    with pytest.raises(UserError, match=r"a model of Squared, which embeds images in its own way"):
        load(path)


def test_an_ensemble_is_no_single_model(tmp_path):
    for name in ("a.mdl", "b.mdl"):
        save_model(TransferNet(spec(), ToyEncoder), tmp_path / name)
    paths = [str(tmp_path / name) for name in ("a.mdl", "b.mdl")]
    with pytest.raises(UserError, match=r"EnsembleNet is no single model that a model\.mdl could"):
        save_model(EnsembleNet(spec(), paths), tmp_path / "both.mdl")


def test_what_is_added_to_a_model_comes_back(tmp_path):
    path = tmp_path / "model.mdl"
    save_model(TransferNet(spec(), ToyEncoder), path)
    gallery = {"features": torch.rand(3, 6), "labels": ("Bags", "Hats", "Hats"), "threshold": 0.5}
    write(replace(load_model(path), extras={"gallery": gallery}), path)
    again = load(path).stored.extras["gallery"]
    assert torch.equal(again["features"], gallery["features"])
    assert (again["labels"], again["threshold"]) == (gallery["labels"], 0.5)


@pytest.mark.slow
def test_another_process_needs_nothing_but_the_file(tmp_path):
    from fewshot.encoders.small_resnet import SmallResNet

    objective = TransferNet(spec(), SmallResNet, classifier=CosineClassifier)
    objective(batch())
    save_model(objective.eval(), tmp_path / "model.mdl")
    np.save(tmp_path / "images.npy", images().numpy())
    program = (
        "import sys, numpy, torch\n"
        "from fewshot.models.load import load\n"
        "model = load('model.mdl')\n"
        "scores = model.scores(torch.from_numpy(numpy.load('images.npy')))\n"
        "numpy.save('scores.npy', scores.numpy())\n"
        "assert not {'fewshot.main', 'fewshot.data.dataset', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        timeout=300,
    )
    torch.testing.assert_close(
        torch.from_numpy(np.load(tmp_path / "scores.npy")), objective.scores(images()).detach()
    )
