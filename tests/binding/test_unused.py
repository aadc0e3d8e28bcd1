import logging

import gin
import pytest

from fewshot.binding.unused import report_unused, unused_bindings
from tests.binding.dummies import dummy_main, isolate, load_text


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    isolate(monkeypatch)
    yield
    gin.clear_config()


def test_what_no_call_used_is_reported(tmp_path):
    load_text(
        tmp_path,
        "used = 1\nidle = 2\n"
        "dummy_main.num_epochs = %used\n"
        "DummyData.csv_file = 'everywhere'\n"
        "DummyData.root_dir = 'replaced in test'\n"
        "test/DummyData.root_dir = 'r'\n"
        "other/DummyData.root_dir = 'r'\n"
        "DummyLoss.margin = 1\n"
        "DummyNet.encoder = 1\n"
        "DummyNet.loss = 1\n",
    )
    dummy_main()
    with gin.config_scope("test/deep"):
        gin.get_configurable("DummyData")()
    gin.get_configurable("DummyNet")(loss="given by the caller")
    assert list(unused_bindings()) == [
        "%idle",
        "DummyData.root_dir",
        "DummyLoss.margin",
        "DummyNet.loss",
        "other/DummyData.root_dir",
    ]


def test_a_value_used_once_is_used(tmp_path):
    load_text(tmp_path, "DummyLoss.margin = 1\n")
    gin.get_configurable("DummyLoss")(margin=2)
    assert list(unused_bindings()) == ["DummyLoss.margin"]
    gin.get_configurable("DummyLoss")()
    assert unused_bindings() == {}


def test_what_a_used_factory_will_take_later_is_no_alarm(tmp_path):
    load_text(
        tmp_path,
        "net = @DummyNet\nwide = [@one/DummyLoss]\n"
        "dummy_main.net = {'a': [%net]}\n"
        "DummyNet.loss = %wide\n"
        "DummyLoss.weights = 1\none/DummyLoss.margin = 1\nvalidation/DummyNet.size = (2, 2)\n"
        "two/DummyLoss.margin = 1\n",
    )
    dummy_main()
    assert list(unused_bindings()) == ["two/DummyLoss.margin"]


def test_what_a_later_line_replaced_is_no_alarm(tmp_path):
    before = "net = @DummyNet\nDummyNet.size = (2, 2)\ndummy_main.net = %net\n"
    load_text(tmp_path, before, "dummy_main.net = None")
    dummy_main()
    assert unused_bindings() == {}
    load_text(tmp_path, before, "net = @DummyLoss")
    dummy_main()
    assert unused_bindings() == {}


def test_what_is_bound_behind_its_replacement_is_an_alarm(tmp_path, caplog, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = "net = @DummyNet\ndummy_main.net = %net\ndummy_main.net = None\nnet = @DummyLoss\n"
    load_text(tmp_path, before, "DummyNet.size = (3, 3)")
    dummy_main()
    with caplog.at_level(logging.WARNING, logger="fewshot"):
        report_unused()
    assert caplog.messages == [
        "bound but not used by this run: %net (run.gin:4), "
        "DummyNet.size (-p 'DummyNet.size = (3, 3)')"
    ]


def test_nothing_unused_is_nothing_said(tmp_path, caplog):
    load_text(tmp_path, "dummy_main.num_epochs = 1\nDummyLoss.margin = None\n")
    dummy_main()
    report_unused()
    assert not caplog.messages


def test_the_place_is_file_and_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load_text(tmp_path, "# a comment\nDummyLoss.margin = 1\n")
    assert unused_bindings() == {"DummyLoss.margin": "run.gin:2"}
