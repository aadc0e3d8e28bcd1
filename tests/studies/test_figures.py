import json

import pytest

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.studies.figures import figure, figures


class TestFigures:
    @pytest.fixture
    def folder(self, tmp_path):
        content = {
            "status": "completed",
            "epochs": 3,
            "test": {"n": 4, "top1": 0.5, "few": {"mean": 0.25, "ci95": 0.1, "n": 9}},
            "validation": {"top1": 0.75, "loss": 2.0, "seen": {"top1": 1.0}},
        }
        (tmp_path / "results.json").write_text(json.dumps(content))
        return ExperimentFolder(tmp_path)

    def test_a_figure_is_named_by_its_path(self, folder):
        assert figure(folder, "test/top1") == 0.5
        assert figure(folder, "validation/seen/top1") == 1.0
        assert figure(folder, "test/few") == 0.25
        assert figures(folder) == {
            "test/top1": 0.5,
            "validation/loss": 2.0,
            "validation/top1": 0.75,
        }

    def test_one_that_is_not_there_is_named_with_those_that_are(self, folder):
        text = (
            r"has no figure 'test/top3'; it has: epochs, test/few, test/n, test/top1, "
            r"validation/loss, validation/seen/top1, validation/top1\."
        )
        with pytest.raises(UserError, match=text):
            figure(folder, "test/top3")
        with pytest.raises(UserError, match=r"'validation/seen' in .* is no single figure"):
            figure(folder, "validation/seen")

    def test_a_damaged_file_is_refused(self, folder):
        folder.results.write_text("{")
        with pytest.raises(UserError, match=r"results\.json cannot be read .*remove the folder"):
            figure(folder, "test/top1")
