"""What sources are read to say, against what is there once everything has been imported."""

import inspect
import subprocess
import sys

import pytest

from fewshot.binding import registry
from fewshot.binding.registrations import register_all
from fewshot.binding.sources import declared, modules
from fewshot.binding.third_party import family_of

OWN = sorted(selector for selector, _ in modules().items())


@pytest.fixture(autouse=True, scope="module")
def registered():
    register_all()


def test_every_registered_name_is_read_and_no_other():
    known = [name for name, _ in registry.gin.config._REGISTRY.items()]
    registered = {name for name in known if name.startswith("fewshot.") and family_of(name) is None}
    assert set(OWN) == registered
    assert {"fewshot.main.main", "fewshot.objectives.triplet_net.TripletNet"} <= registered


@pytest.mark.parametrize("selector", OWN)
def test_parameters_and_documentation_are_those_of_the_thing_itself(selector):
    one, thing = declared(selector), registry.target(selector)
    assert list(one.parameters) == list(registry.parameters(selector))
    signature = inspect.signature(next(registry._signatures(selector, thing)))
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    assert one.takes_any == (inspect.Parameter.VAR_KEYWORD in kinds)
    assert one.documentation == inspect.cleandoc(thing.__doc__ or "")
    assert modules()[selector] == thing.__module__


QUICK = """
import sys
import experiment
code = experiment.run(sys.argv[1:])
heavy = {"torch", "pandas", "sklearn", "matplotlib", "pytorch_metric_learning"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else code)
"""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--list"], 0),
        (["-c", "configs/triplet.gin", "-p", "TripletNt.encoder = None"], 2),
        (["-c", "configs/triplet.gin", "-p", "TripletNet.encodr = None"], 2),
        (["-c", "configs/triplet.gin", "-p", "TripletNet.encoder = @SmallResNt"], 2),
    ],
)
def test_names_are_told_without_importing_what_they_stand_for(words, code):
    done = subprocess.run(
        [sys.executable, "-c", QUICK, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr
    assert code == 0 or "Did you mean" in done.stderr
