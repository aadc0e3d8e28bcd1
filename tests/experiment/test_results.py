import pytest

from fewshot.errors import UserError
from fewshot.experiment.artifacts import ExperimentFolder
from fewshot.experiment.results import merge_metrics, results, write_figures, write_pictures
from fewshot.interfaces import Evaluation


@pytest.fixture
def folder(tmp_path):
    return ExperimentFolder(tmp_path)


def test_results_say_how_the_model_was_chosen_and_what_it_reaches():
    origin = {"config_files": ["a.gin"]}
    found = results("mine", origin, 3, {"epochs": 2}, {"test": {"top1": 0.5}})
    assert found == {
        "name": "mine",
        "config": ["a.gin"],
        "seed": 3,
        "status": "completed",
        "epochs": 2,
        "test": {"top1": 0.5},
    }


def test_a_figure_named_twice_is_refused():
    one, two = Evaluation({"test": {"n": 3, "top1": 0.5}}), Evaluation({"test": {"n": 3, "a": 1}})
    assert merge_metrics([one, two]) == {"test": {"n": 3, "top1": 0.5, "a": 1}}
    with pytest.raises(UserError, match="two evaluators both report test/top1: bind a prefix"):
        merge_metrics([one, one])


def test_figures_are_on_disk_before_a_picture_that_fails_and_is_a_warning(folder, caplog):
    def fails(path):
        assert folder.results.is_file() and (folder.path / "per_class.csv").is_file()
        path.write_text("half")
        raise MemoryError

    def fine(path):
        path.write_text("picture")

    evaluations = [
        Evaluation({}, {"confusion_matrix.png": fails, "map.html": fine}),
        Evaluation({}, {"per_class.csv": lambda path: path.write_text("class")}),
    ]
    written = write_figures(folder, {"epochs": 2}, evaluations)
    assert written == {"per_class.csv"}
    (folder.path / "per_class.csv").write_text("kept")
    more = Evaluation({}, {"mistakes.csv": fine})
    write_pictures(folder, [*evaluations, more], written)
    assert (folder.path / "per_class.csv").read_text() == "kept"
    assert caplog.messages == ["confusion_matrix.png could not be made: MemoryError"]
    names = sorted(path.name for path in folder.path.iterdir())
    assert names == ["map.html", "mistakes.csv", "per_class.csv", "results.json"]


def test_a_table_that_fails_is_no_warning(folder):
    def fails(path):
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        write_figures(folder, {}, [Evaluation({}, {"predictions.csv": fails})])
    assert not folder.results.exists()
    with pytest.raises(ValueError, match="wrong"):
        write_pictures(folder, [Evaluation({}, {"mistakes.csv": fails})])
