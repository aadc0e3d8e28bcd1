import sys

import pytest

from fewshot.__main__ import main
from fewshot.commands.demo import LIBRARIES


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_missing_library_is_named_with_the_file_that_brings_it(library, monkeypatch, capsys):
    for module in [m for m in sys.modules if m.startswith("fewshot.demo.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, library, None)
    for module in [m for m in sys.modules if m.startswith(f"{library}.")]:
        monkeypatch.delitem(sys.modules, module)
    assert main(["demo", "model.mdl"]) == 2
    told = capsys.readouterr().err
    assert f"the demo needs {library}, which is not installed" in told
    assert "python -m pip install -r requirements-demo.txt" in told


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_out_of_range_is_refused(port, capsys):
    assert main(["demo", "model.mdl", "--port", port]) == 2
    assert f"--port is {port}: give a number from 0 to 65535" in capsys.readouterr().err
