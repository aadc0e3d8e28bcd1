import types

import cv2
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from fewshot.demo.model import ModelRecogniser, open_viewer, share_cores
from fewshot.errors import UserError
from fewshot.models.prediction.predictor import Predictor


class Colours(nn.Module):
    """A loaded model that sees mean colours, and has a class for each of the three channels."""

    image_size, image_channels, resize = (8, 8), 3, "pad"

    def __init__(self, classifies=True, prototypes=True):
        super().__init__()
        self.classifies = classifies
        self.class_names = ("Red", "Green", "Blue") if classifies else ()
        kept = {
            "class_names": ("Red", "Green", "Blue"),
            "features": functional.normalize(torch.eye(3) - 1 / 3),
            "mean": torch.full((3,), 1 / 3),
            "temperature": 0.1,
        }
        extras = {"prototypes": kept} if classifies and prototypes else {}
        self.stored = types.SimpleNamespace(path="model.mdl", objective="Colours", extras=extras)

    def embed(self, images):
        return images.float().mean(dim=(2, 3)) / 255

    def scores_of(self, features):
        return 8 * features


def images(colour, n=1, seed=0):
    noise = np.random.default_rng(seed).normal(0, 6, (n, 3, 8, 8))
    return np.clip(np.array(colour, float)[:, None, None] + noise, 0, 255).astype(np.uint8)


RED, GREEN, BLUE, YELLOW = (220, 10, 10), (10, 220, 10), (10, 10, 220), (210, 200, 10)


def recogniser(**options):
    return ModelRecogniser(Predictor(Colours(**options)))


def test_own_classes_are_named_by_the_models_scores():
    model = recogniser()
    batch = np.concatenate([images(RED), images(BLUE)])
    answers = model.predict(batch, 5)
    expected = (8 * Colours().embed(torch.from_numpy(batch))).softmax(dim=1)
    assert [answer[0][0] for answer in answers] == ["Red", "Blue"]
    for answer, shares in zip(answers, expected, strict=True):
        assert len(answer) == 3
        assert [share for _, share in answer] == pytest.approx(
            sorted(shares.tolist(), reverse=True)
        )


def test_an_article_is_named_beside_them_after_a_few_pictures():
    model = recogniser()
    before = model.predict(images(RED, seed=7), 5)[0]
    model.add("Lemon", images(YELLOW, 5))
    assert model.class_names == ("Red", "Green", "Blue", "Lemon")
    assert model.added == ("Lemon",)
    (lemon, share), *_ = model.predict(images(YELLOW, seed=9), 5)[0]
    assert lemon == "Lemon"
    assert share > 0.8
    after = model.predict(images(RED, seed=7), 5)[0]
    assert after[0][0] == before[0][0] == "Red"
    assert after[0][1] == pytest.approx(before[0][1], abs=0.05)
    model.remove("Lemon")
    assert model.predict(images(RED, seed=7), 5)[0] == before


def test_the_nearer_of_two_articles_is_named():
    model = recogniser()
    model.add("Lemon", images(YELLOW, 5))
    model.add("Lime", images((150, 210, 10), 5))
    assert model.predict(images(YELLOW, seed=3), 1)[0][0][0] == "Lemon"
    assert model.predict(images((150, 210, 10), seed=3), 1)[0][0][0] == "Lime"


def test_shares_fall_and_leave_nothing_over():
    model = recogniser()
    model.add("Lemon", images(YELLOW, 5))
    model.add("Plum", images((120, 10, 160), 1))
    for colour in (RED, GREEN, BLUE, YELLOW, (120, 10, 160), (128, 128, 128)):
        shares = [share for _, share in model.predict(images(colour), 5)[0]]
        assert sum(shares) == pytest.approx(1, abs=1e-5)
        assert shares == sorted(shares, reverse=True)


def test_a_model_without_a_classifier_knows_articles_alone():
    model = recogniser(classifies=False)
    assert model.class_names == ()
    assert model.predict(images(RED), 5) == [[]]
    model.add("Lemon", images(YELLOW, 5))
    assert model.predict(images(YELLOW), 5)[0][0][0] == "Lemon"


def test_a_model_without_prototypes_answers_and_learns_nothing():
    model = recogniser(prototypes=False)
    assert model.predict(images(RED), 1)[0][0][0] == "Red"
    with pytest.raises(UserError, match=r"keeps no prototypes of its classes.*Train it"):
        model.add("Lemon", images(YELLOW, 5))
    assert model.added == ()


@pytest.mark.parametrize("name", ["Red", "Lemon"])
def test_a_name_is_given_once(name):
    model = recogniser()
    model.add("Lemon", images(YELLOW, 5))
    with pytest.raises(UserError, match=f"'{name}' (was added|is a class that)"):
        model.add(name, images(YELLOW, 5))


def test_only_what_was_added_is_removed():
    model = recogniser()
    with pytest.raises(UserError, match="'Red' was not added"):
        model.remove("Red")


def test_a_file_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        open_viewer(tmp_path / "model.mdl", "auto")
    (tmp_path / "model.mdl").write_text("words")
    with pytest.raises(UserError, match="cannot be read"):
        open_viewer(tmp_path / "model.mdl", "auto")


@pytest.mark.parametrize(("cores", "before", "after"), [(2, 2, 1), (1, 1, 1), (8, 8, 4), (8, 1, 1)])
def test_the_browser_gets_half_of_the_cores(cores, before, after, monkeypatch):
    threads = torch.get_num_threads(), cv2.getNumThreads()
    monkeypatch.setattr("fewshot.demo.model.usable_processors", lambda: cores)
    try:
        torch.set_num_threads(before)
        share_cores()
        assert torch.get_num_threads() == after
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])
