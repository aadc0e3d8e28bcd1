import gin
import pytest

from fewshot.binding.explaining import differences, explanation
from fewshot.errors import UserError
from tests.binding.dummies import isolate, load_text


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    isolate(monkeypatch)
    monkeypatch.chdir(tmp_path)
    yield
    gin.clear_config()


def test_a_value_its_line_what_it_overrode_and_the_default(tmp_path):
    (tmp_path / "part.gin").write_text("DummyLoss.margin = 1\n")
    load_text(
        tmp_path,
        "include 'part.gin'\nwide = 2\nDummyLoss.margin = %wide\none/DummyLoss.margin = 4\n",
        "DummyLoss.margin = 3",
    )
    assert explanation("DummyLoss.margin") == (
        "DummyLoss.margin = 3\n"
        "  bound in -p 'DummyLoss.margin = 3'\n"
        "  over %wide in run.gin:3\n"
        "  over 1 in part.gin:1\n"
        "  default 0.2\n\n"
        "one/DummyLoss.margin = 4\n"
        "  bound in run.gin:4\n"
        "  default 0.2"
    )
    assert explanation("margin") == explanation("DummyLoss.margin"), "and not what contains it"
    assert explanation().startswith("%wide = 2\n  bound in run.gin:2\n\nDummyLoss.margin = 3")


def test_what_is_not_bound_is_said_and_what_was_meant(tmp_path):
    load_text(tmp_path, "DummyLoss.margin = 1\n")
    with pytest.raises(
        UserError, match=r"has 'margn' in its name\. Did you mean DummyLoss\.margin"
    ):
        explanation("margn")


def test_two_configs_side_by_side(tmp_path):
    (tmp_path / "a.gin").write_text("wide = 1\nDummyLoss.margin = %wide\nDummyNet.size = (2, 2)\n")
    (tmp_path / "b.gin").write_text("wide = 2\nDummyLoss.margin = %wide\nDummyNet.loss = 3\n")
    assert differences(["a.gin"], ["b.gin"]) == (
        "%wide\n  - 1   (a.gin:1)\n  + 2   (b.gin:1)\n"
        "DummyNet.loss\n  - not bound\n  + 3   (b.gin:3)\n"
        "DummyNet.size\n  - (2, 2)   (a.gin:3)\n  + not bound"
    )
    assert differences(["a.gin"], ["a.gin"]) == ""
