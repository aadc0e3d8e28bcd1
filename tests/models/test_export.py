import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError
from fewshot.heads.described import described
from fewshot.heads.knn import KNN
from fewshot.heads.logistic_regression import LogisticRegression
from fewshot.heads.matching import MatchingAttention
from fewshot.models import export as exporting
from fewshot.models.export import export
from fewshot.models.extras import add_extras, as_plain
from fewshot.models.model_file import save_model
from fewshot.models.prediction.adding import add_classes
from fewshot.models.prediction.photos import Photos
from fewshot.models.prediction.predictor import load
from fewshot.models.references import Gallery
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.triplet_net import TripletNet
from tests.models.known_model import SIZE
from tests.objectives.toy import CLASSES, ToyEncoder, images, spec


@pytest.fixture
def photos(shop):
    """Real files as a model of that size gets them."""

    def of(model):
        paths = sorted((shop.root / "images").glob("test*.jpg"))
        return np.stack([photo.read(model.image_format) for photo in Photos(paths)])

    return of


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_scores_embedding_names_and_any_number_of_images(model_path, tmp_path, photos):
    add_extras(model_path, {"temperature": 1.7, "threshold": 0.4, "mirrored": True, "shift": 1})
    model = add_classes(load(model_path), {"Caps": images(3, 3, SIZE, seed=5).numpy()})
    seen = photos(model)
    assert export(model, tmp_path / "out.onnx", seen) <= 1e-4
    run = session(tmp_path / "out.onnx")
    for count in (1, 3, 24):
        scores, embedding = run.run(["scores", "embedding"], {"images": seen[:count]})
        np.testing.assert_allclose(scores, model.probabilities(seen[:count]), atol=1e-5)
        np.testing.assert_allclose(embedding, model.embed(seen[:count]), atol=1e-5)
    (given,) = run.get_inputs()
    assert (given.name, given.type, given.shape[1:]) == ("images", "tensor(uint8)", [3, *SIZE])
    facts = onnx.load(tmp_path / "out.onnx").metadata_props
    assert {fact.key: json.loads(fact.value) for fact in facts}.items() >= {
        "class_names": ["Bags", "Hats", "Socks", "Caps"],
        "threshold": 0.4,
        "image_size": list(SIZE),
        "channels": 3,
        "resize": "stretch",
        "objective": "TransferNet",
    }.items()


@pytest.mark.slow
def test_an_embedding_of_cut_and_converted_images(tmp_path, photos):
    def inputs(facts):
        return Inputs(facts, size=(20, 24), channels=3, mean="imagenet", std="imagenet")

    def encoder(**facts):
        return SmallResNet(widths=(8,), **facts)

    torch.manual_seed(1)
    objective = TripletNet(spec(size=(24, 20), channels=1), encoder, inputs)
    save_model(objective.eval(), tmp_path / "model.mdl")
    model = load(tmp_path / "model.mdl")
    seen = photos(model)
    assert export(model, tmp_path / "out.onnx", seen) <= 1e-4
    run = session(tmp_path / "out.onnx")
    assert [output.name for output in run.get_outputs()] == ["embedding"]
    (found,) = run.run(None, {"images": seen})
    np.testing.assert_allclose(found, objective.embed(torch.from_numpy(seen)).detach(), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("head", [KNN(5, "distance"), LogisticRegression(), MatchingAttention()])
def test_scores_of_a_gallery(tmp_path, photos, head):
    torch.manual_seed(1)
    objective = TripletNet(spec(size=SIZE, channels=3), ToyEncoder).eval()
    save_model(objective, tmp_path / "model.mdl")
    gallery = images(40, 3, SIZE, seed=3)
    with torch.inference_mode():
        features = objective.embed(gallery).clone()
    kept = Gallery(
        tuple(map(str, range(40))), features, torch.arange(40) % 3, CLASSES, described(head)
    )
    add_extras(tmp_path / "model.mdl", {"gallery": as_plain(kept), "temperature": 1.3})
    model = load(tmp_path / "model.mdl")
    seen = photos(model)
    assert export(model, tmp_path / "out.onnx", seen) <= 1e-4
    scores, _ = session(tmp_path / "out.onnx").run(None, {"images": seen})
    np.testing.assert_allclose(scores, model.probabilities(seen), atol=1e-5)


def test_a_file_that_answers_otherwise_is_not_kept(model_path, tmp_path, photos, monkeypatch):
    class Drifting(exporting.Exported):
        def forward(self, seen):
            scores, features = super().forward(seen)
            return scores + (0 if torch.compiler.is_exporting() else 0.01), features

    monkeypatch.setattr(exporting, "Exported", Drifting)
    model = load(model_path)
    with pytest.raises(UserError, match=r"answers otherwise than the model, by up to 0\.01 where"):
        export(model, tmp_path / "out.onnx", photos(model))
    assert [path.name for path in tmp_path.glob("*out*")] == []


def test_a_missing_library_names_the_file_to_install(model_path, tmp_path, photos, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model = load(model_path)
    with pytest.raises(UserError, match=r"needs onnxruntime, .* -r requirements-export\.txt"):
        export(model, tmp_path / "out.onnx", photos(model))
