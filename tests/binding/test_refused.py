import gin
import pytest

from fewshot.binding.refused import refusals_named
from fewshot.errors import UserError
from tests.binding.dummies import isolate, load_text


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    isolate(monkeypatch)
    yield
    gin.clear_config()


@gin.register
def dummy_picky(size=1, inner=None):
    if inner is not None:
        return inner()
    raise ValueError(f"size must be even, not {size}\nsecond line")


def build():
    with refusals_named():
        gin.get_configurable("dummy_picky")()


def test_what_a_thing_raises_names_its_bindings_and_their_lines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load_text(tmp_path, "\ndummy_picky.size = 3\n")
    with pytest.raises(UserError) as error:
        build()
    assert str(error.value) == (
        "dummy_picky refuses its bindings: size must be even, not 3 (dummy_picky.size = 3 in "
        "run.gin:2)"
    )


def test_without_bindings_it_is_a_bug(tmp_path):
    load_text(tmp_path, "")
    with pytest.raises(ValueError, match="must be even"):
        build()


@pytest.mark.parametrize("fault", [OSError(28, "no room"), MemoryError(), UserError("so it is")])
def test_faults_of_the_machine_and_messages_pass(fault):
    with pytest.raises(type(fault)), refusals_named():
        raise fault
