from pathlib import Path

import gin
import pytest

from fewshot.binding.paths import is_path
from tests.binding.dummies import isolate, load_text


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    isolate(monkeypatch)
    yield
    gin.clear_config()


@pytest.mark.parametrize("name", ["csv_file", "source", "weights_path", "log_dir", "class_file"])
def test_names_of_paths(name):
    assert is_path(name)


@pytest.mark.parametrize("name", ["label_column", "direction", "profile", "path_length"])
def test_names_of_other_things(name):
    assert not is_path(name)


def test_data_paths_are_absolute_seen_from_the_working_directory(tmp_path, monkeypatch):
    work, configs = tmp_path / "work", tmp_path / "configs"
    work.mkdir()
    configs.mkdir()
    monkeypatch.chdir(work)
    loaded = load_text(
        configs,
        "DummyData.csv_file = ['a.csv', '../b.csv', '/c.csv']\n"
        "DummyData.root_dir = '~/images'\n"
        "DummyData.label_column = 'a.csv'\n"
        "test/DummyData.csv_file = 'test.csv'\n"
        "url/DummyData.csv_file = 'https://example.org/a.csv'\n"
        "none/DummyData.csv_file = None\n",
    )
    files = gin.get_bindings("DummyData")["csv_file"]
    assert files == [f"{work}/a.csv", f"{tmp_path}/b.csv", "/c.csv"]
    assert f"DummyData.root_dir = '{Path.home()}/images'" in loaded.text
    assert "DummyData.label_column = 'a.csv'" in loaded.text
    assert gin.get_bindings("test/DummyData")["csv_file"] == f"{work}/test.csv"
    assert "'https://example.org/a.csv'" in loaded.text
    assert "none/DummyData.csv_file = None" in loaded.text
    monkeypatch.chdir(tmp_path)
    assert load_text(configs, loaded.text).text == loaded.text


def test_a_macro_is_a_path_only_where_it_is_used_as_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = load_text(
        tmp_path,
        "both = 'x'\nonly = 'y'\nother = 3\n"
        "DummyData.csv_file = [%both, 'z']\nDummyData.label_column = %both\n"
        "DummyData.root_dir = %only\n"
        "DummyNet.saved_model_path = @DummyLoss\n",
    )
    assert gin.get_bindings("DummyData")["csv_file"] == [f"{tmp_path}/x", f"{tmp_path}/z"]
    assert "DummyData.label_column = %both" in loaded.text
    assert gin.get_bindings("DummyData")["root_dir"] == f"{tmp_path}/y"
    assert "DummyNet.saved_model_path = @DummyLoss" in loaded.text
    assert "both = 'x'" in loaded.text
    assert "only = " not in loaded.text
    assert "other = 3" in loaded.text
