import numpy as np
import pytest
import torch
from PIL import Image

from fewshot.errors import UserError
from fewshot.evaluation.pretext import PretextTask
from fewshot.evaluation.reconstructions import Reconstructions
from tests.evaluation.fakes import FakeDataset, PixelObjective


class Pretext(PixelObjective):
    """Judges an image by its first pixel, and rebuilds it darker by a fifth of white."""

    def pretext_figures(self, images):
        return {"guess_top1": (images[:, 0, 0, 0] > 5).float(), "guess_loss": images[:, 0, 0, 1]}

    def reconstruct(self, images):
        return images / 255, (images / 255 - 0.2).clamp(0, 1)


def dataset(n, labels=None):
    return FakeDataset([[min(i, 255), 2 * i % 256] for i in range(n)], labels or ["a"] * n)


class TestPretextTask:
    def test_figures_are_means_over_the_rows_of_every_split_but_train(self):
        found = PretextTask()(Pretext(), {"train": dataset(3), "validation": dataset(600)})
        assert set(found.metrics) == {"validation"}
        first, second = torch.arange(600), torch.arange(600) * 2 % 256
        wanted = {"guess_top1": first > 5, "guess_loss": second}
        assert found.metrics["validation"] == {
            name: pytest.approx(values.double().mean().item()) for name, values in wanted.items()
        }

    def test_some_rows_evenly_spread_stand_for_all(self):
        found = PretextTask(max_images=4)(Pretext(), {"test": dataset(16)})
        assert found.metrics["test"]["guess_loss"] == np.mean([0, 8, 16, 24])

    def test_what_cannot_be_judged_is_refused(self):
        with pytest.raises(UserError, match="PixelObjective has no pretext task that"):
            PretextTask()(PixelObjective(), {"test": dataset(2)})
        with pytest.raises(UserError, match=r"max_images is 0: bind 1 or more, or None"):
            PretextTask(max_images=0)


class TestReconstructions:
    def test_the_picture_has_the_images_above_their_reconstructions(self, tmp_path, monkeypatch):
        drawn = {}

        def image_grid(images, captions, path, columns):
            drawn.update(images=images, captions=captions, columns=columns)

        monkeypatch.setattr("fewshot.reports.plots.image_grid", image_grid)
        data = FakeDataset([[100, 200]] * 3, ["a", "b", None])
        found = Reconstructions(n_images=3, columns=2)(Pretext(), {"test": data})
        found.artifacts["reconstructions.png"](tmp_path / "reconstructions.png")
        assert drawn["columns"] == 2
        off = "off by 51.0"
        assert drawn["captions"] == ["a", "b", off, off, "", "", off, ""]
        pixels = drawn["images"][:, 0, :, 0].tolist()
        seen, rebuilt, blank = [100, 200], [49, 149], [255, 255]
        assert pixels == [seen, seen, rebuilt, rebuilt, seen, blank, rebuilt, blank]

    def test_it_is_a_picture_file(self, tmp_path):
        path = tmp_path / "reconstructions.png"
        Reconstructions()(Pretext(), {"validation": dataset(5)}).artifacts[path.name](path)
        with Image.open(path) as image:
            assert image.size[0] > 100

    def test_nothing_is_drawn_without_held_out_images(self):
        assert Reconstructions()(Pretext(), {"train": dataset(5)}).artifacts == {}

    def test_what_cannot_be_rebuilt_is_refused(self):
        text = r"PixelObjective rebuilds no images: leave Reconstructions out of main\.evaluators"
        with pytest.raises(UserError, match=text):
            Reconstructions()(PixelObjective(), {"test": dataset(2)})
        with pytest.raises(UserError, match=r"n_images is 0 and columns 8: bind 1 or more"):
            Reconstructions(n_images=0)
