import pytest

from fewshot.errors import UserError
from fewshot.studies.designs.described import DEFAULT, QUICK, described


@pytest.fixture
def photos(tmp_path):
    """Lines that alone would be refused: the macro is another file's."""
    path = tmp_path / "mine.gin"
    path.write_text("FashionDataset.root_dir = 'photos'\nTransferNet.encoder = %encoder\n")
    return str(path)


@pytest.fixture
def part(tmp_path):
    path = tmp_path / "fewer.gin"
    path.write_text("LabelBudget.seeds = (4,)\n")
    return str(path)


def test_configs_that_describe_no_study_are_behind_every_run(photos, part):
    study = described([DEFAULT, photos, part], ["LabelBudget.budgets = (3,)", "A.b = 1"])
    assert (study.configs, study.bindings) == ([photos], ["A.b = 1"])
    assert (study.design.seeds, study.design.budgets) == ((4,), (3,))
    assert study.name == "label_budget-mine"
    for run in study.design.runs((), study.configs):
        assert run.configs[-1] == photos, run.name


@pytest.mark.parametrize(("quick", "stem"), [(False, "label_budget"), (True, "label_budget_quick")])
def test_without_a_study_the_usual_one_is_meant(photos, quick, stem):
    usual = described([QUICK if quick else DEFAULT], []).design
    assert described([photos], [], quick).design == usual
    assert described([photos], [], quick).name == f"{stem}-mine"
    assert described([], [], quick).name == stem


def test_a_description_binds_nothing_else(tmp_path):
    both = tmp_path / "both.gin"
    both.write_text("n = 4\nLabelBudget.seeds = (%n,)\nFashionDataset.root_dir = 'x'\n")
    text = r"both\.gin binds LabelBudget and also FashionDataset, which would reach no run"
    with pytest.raises(UserError, match=text):
        described([str(both)], [])


def test_quick_beside_another_study_is_refused(part):
    for same in (DEFAULT, QUICK):
        assert described([same], [], quick=True) == described([], [], quick=True)
    for other in ("configs/studies/label_budget_shirts.gin", part):
        text = rf"--quick is a small study of its own, .*, and {other} is another: leave"
        with pytest.raises(UserError, match=text):
            described([DEFAULT, other], [], quick=True)
