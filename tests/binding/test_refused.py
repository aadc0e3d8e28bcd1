from pathlib import Path

import gin
import pytest
import torch

import fewshot
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


def raising(file, line):
    """A function that executes one line as if it stood in that file."""
    space = {"torch": torch}
    exec(compile(f"def fail():\n    {line}\n", str(file), "exec"), space)
    return space["fail"]


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


OURS = Path(fewshot.__path__[0]) / "objectives" / "some_net.py"


@pytest.mark.parametrize(
    ("file", "line", "kind"),
    [
        (OURS, "raise ValueError('no such state')", ValueError),
        (OURS, "assert False", AssertionError),
        (OURS, "{}['lost']", KeyError),
        (OURS, "torch.zeros(2) + torch.zeros(3)", RuntimeError),
        (OURS, "1 + 'a'", TypeError),
        ("/elsewhere/plug_in.py", "None.lost", AttributeError),
    ],
)
def test_a_fault_of_the_program_or_a_plug_in_keeps_its_traceback(tmp_path, file, line, kind):
    load_text(tmp_path, "dummy_picky.size = 3\n")
    with pytest.raises(kind), refusals_named():
        gin.get_configurable("dummy_picky")(inner=raising(file, line))


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        (OURS, "torch.nn.Conv2d(3, 4, 3, groups=2)", "in_channels must be divisible by groups"),
        (OURS, "torch.nn.Linear(1.5, 2)", "empty"),
        (OURS, "torch.nn.Linear(2)", "missing 1 required positional argument"),
        ("/elsewhere/plug_in.py", "assert False, 'odd'", "odd"),
    ],
)
def test_what_a_library_or_a_check_of_arguments_refuses_names_the_bindings(
    tmp_path, file, line, told
):
    load_text(tmp_path, "dummy_picky.size = 3\n")
    refused = pytest.raises(UserError, match=rf"dummy_picky refuses its bindings: .*{told}")
    with refused, refusals_named():
        gin.get_configurable("dummy_picky")(inner=raising(file, line))
