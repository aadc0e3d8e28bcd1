import json
from pathlib import Path

import gin
import pytest

from fewshot.binding import config
from fewshot.binding.locating import REPOSITORY
from fewshot.errors import UserError
from tests.binding.dummies import dummy_main, isolate, load_text


@pytest.fixture
def isolated(monkeypatch):
    isolate(monkeypatch)


@pytest.fixture(autouse=True)
def _cleared():
    yield
    gin.clear_config()


@pytest.mark.usefixtures("isolated")
class TestBindings:
    def test_bound_in_exactly_this_scope(self, tmp_path):
        load_text(tmp_path, "DummyData.csv_file = 'a'\ntest/DummyData.root_dir = 'b'\n")
        assert config.is_bound("", "DummyData", "csv_file")
        assert not config.is_bound("test", "DummyData", "csv_file")
        assert config.is_bound("test", "DummyData", "root_dir")
        assert not config.is_bound("test/deeper", "DummyData", "root_dir")
        with gin.config_scope("test"):
            assert not config.is_bound("test", "DummyData", "csv_file")
            assert config.is_bound("", "DummyData", "csv_file")

    def test_bind_from_python(self):
        config.bind("dummy_main.num_epochs", 4)
        config.bind("a/b/DummyLoss.margin", 0.5)
        assert dummy_main()[1] == 4
        assert gin.get_configurable("a/b/DummyLoss")().margin == 0.5
        with pytest.raises(UserError, match="DummyLoss has no parameter 'margn'"):
            config.bind("DummyLoss.margn", 1)


@pytest.mark.usefixtures("isolated")
class TestRequests:
    def test_a_new_run(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["experiment.py", "-c", "a.gin"])
        (tmp_path / "a.gin").write_text("DummyData.csv_file = 'x.csv'\n")
        request = config.new_run(["a.gin"], ["DummyLoss.margin=2"], "mine", "runs", False)
        assert request.folder == tmp_path / "runs" / "mine"
        assert request.resume is None
        assert request.config_files == [tmp_path / "a.gin"]
        assert request.command == ["python", "experiment.py", "-c", "a.gin"]
        assert f"DummyData.csv_file = '{tmp_path}/x.csv'" in request.config_text
        assert "DummyLoss.margin = 2" in request.config_text

    def test_a_name_is_made_of_the_first_config_and_the_time(self, tmp_path):
        for name in ("first.gin", "second.gin"):
            (tmp_path / name).touch()
        files = [str(tmp_path / "first.gin"), str(tmp_path / "second.gin")]
        name = config.new_run(files, [], None, "runs", True).name
        stem, day, time = name.split("-")
        assert (stem, len(day), len(time)) == ("first", 8, 6)

    @pytest.mark.parametrize(
        ("recorded", "goes_on"),
        [('{"launch": "job7"}', True), ('{"launch": "job6"}', False), ("{}", False), ("[", False)],
    )
    def test_a_run_that_torchrun_began_goes_on_though_no_restart_is_counted(
        self, tmp_path, monkeypatch, recorded, goes_on
    ):
        monkeypatch.delenv("TORCHELASTIC_RESTART_COUNT", raising=False)
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job7")
        (tmp_path / "a.gin").write_text("DummyLoss.margin = 2\n")
        given = ([str(tmp_path / "a.gin")], [], "mine", str(tmp_path), False)
        first = config.new_run(*given)
        assert first.resume is None
        first.folder.mkdir()
        (first.folder / "config.gin").write_text(first.config_text)
        (first.folder / "environment.json").write_text(recorded)
        again = config.new_run(*given)
        assert again.resume == (first.folder if goes_on else None)
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        assert config.new_run(*given).resume is None

    @pytest.mark.parametrize("name", ["a/b", "../a", "..", ".", "", "a\\b"])
    def test_a_name_that_is_no_folder_name_is_refused(self, name):
        with pytest.raises(UserError, match="is not a folder name: give one without separators"):
            config.new_run(["any.gin"], [], name, "runs", False)

    def test_a_resumed_run_takes_config_and_plug_ins_from_its_folder(self, tmp_path):
        plugins, folder = tmp_path / "plugins", tmp_path / "runs" / "mine"
        plugins.mkdir()
        folder.mkdir(parents=True)
        (plugins / "resumed_plug_in.py").write_text(
            "import gin\n\n\n@gin.register\ndef resumed(k=1):\n    return k\n"
        )
        loaded = load_text(plugins, "import resumed_plug_in\nresumed.k = 3\n")
        (folder / "config.gin").write_text(loaded.text)
        recorded = {"plugin_folders": loaded.plugin_folders}
        (folder / "environment.json").write_text(json.dumps(recorded))
        request = config.resumed_run(str(folder), False)
        assert request.resume == folder == request.folder
        assert request.config_text == loaded.text
        assert str(plugins) in request.plugin_folders
        assert gin.get_configurable("resumed")() == 3
        again = config.new_run([str(folder / "config.gin")], [], "again", "runs", False)
        assert again.config_text == loaded.text

    def test_a_folder_that_cannot_be_resumed_is_refused(self, tmp_path):
        (tmp_path / "triplet-1").mkdir()
        with pytest.raises(UserError, match=r"there is no such folder\. Did you mean triplet-1\?"):
            config.resumed_run(str(tmp_path / "triplet-2"), False)
        with pytest.raises(UserError, match=r"holds no config\.gin.*Start it anew with -c"):
            config.resumed_run(str(tmp_path / "triplet-1"), False)
        (tmp_path / "triplet-1" / "config.gin").touch()
        (tmp_path / "triplet-1" / "environment.json").write_text("{")
        with pytest.raises(UserError, match=r"environment\.json is damaged"):
            config.resumed_run(str(tmp_path / "triplet-1"), False)


CONFIGS = sorted(REPOSITORY.glob("configs/**/*.gin"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_config_loads_and_its_flat_text_says_the_same(path: Path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = config.load([str(path)], [])
    (tmp_path / "config.gin").write_text(loaded.text)
    assert config.load(["config.gin"], []).text == loaded.text
