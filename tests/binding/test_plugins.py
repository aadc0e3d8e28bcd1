"""What a config's folder may bring into the program: what its .gin names, and nothing else."""

import importlib
import subprocess
import sys

import gin
import pytest

from fewshot.binding.locating import REPOSITORY
from fewshot.binding.plugins import FINDER
from tests.binding.dummies import isolate, load_text


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    isolate(monkeypatch)
    before = set(sys.modules)
    yield
    FINDER.forget()
    gin.clear_config()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def module(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_only_what_the_config_names_is_found(tmp_path):
    module(tmp_path / "asked_for.py", "VALUE = 1\n")
    module(tmp_path / "not_asked_for.py", "raise SystemExit('was executed')\n")
    load_text(tmp_path, "import asked_for\n")
    assert importlib.import_module("asked_for").VALUE == 1
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("not_asked_for")
    assert str(tmp_path) not in sys.path


def test_what_a_plug_in_imports_is_found_beside_it(tmp_path):
    module(tmp_path / "method_a.py", "import layers_a\n\n\ndef late():\n    import late_a\n")
    module(tmp_path / "layers_a.py", "from package_a.inner import VALUE\n")
    module(tmp_path / "package_a" / "__init__.py")
    module(tmp_path / "package_a" / "inner.py", "from . import other\nVALUE = other.VALUE\n")
    module(tmp_path / "package_a" / "other.py", "import deep_a\nVALUE = deep_a.VALUE\n")
    module(tmp_path / "deep_a.py", "VALUE = 3\n")
    module(tmp_path / "late_a.py", "VALUE = 4\n")
    load_text(tmp_path, "import method_a\n")
    assert sys.modules["layers_a"].VALUE == 3
    sys.modules["method_a"].late()
    assert sys.modules["late_a"].VALUE == 4


def test_a_package_is_imported_with_its_dots(tmp_path):
    module(tmp_path / "package_b" / "__init__.py")
    module(tmp_path / "package_b" / "method.py", "VALUE = 5\n")
    load_text(tmp_path, "import package_b.method\n")
    assert sys.modules["package_b.method"].VALUE == 5


def test_a_new_configuration_allows_nothing_of_the_one_before(tmp_path):
    module(tmp_path / "method_c.py")
    load_text(tmp_path, "import method_c\n")
    del sys.modules["method_c"]
    load_text(tmp_path, "")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("method_c")


def test_what_is_installed_wins(tmp_path):
    module(tmp_path / "colorsys.py", "raise SystemExit('was executed')\n")
    load_text(tmp_path, "import colorsys\n")
    assert sys.modules["colorsys"].rgb_to_hsv


def test_a_file_called_like_an_optional_library_is_not_executed(tmp_path):
    module(tmp_path / "tensorflow.py", f"open({str(tmp_path / 'executed')!r}, 'w')\n")
    module(tmp_path / "run.gin", "main.num_epochs = 1\n")
    program = (
        "from fewshot.binding import config\n"
        f"config.load([{str(tmp_path / 'run.gin')!r}], [])\n"
        "import torch.utils.tensorboard\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", program]
    assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 0
    assert not (tmp_path / "executed").exists()
