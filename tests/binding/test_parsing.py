import gin
import pytest

from fewshot.binding import config
from fewshot.errors import UserError
from tests.binding.dummies import DummyLoss, DummyNet, dummy_main, isolate, load_text


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    isolate(monkeypatch)
    yield
    gin.clear_config()


def refused(folder, text, *bindings):
    with pytest.raises(UserError) as caught:
        load_text(folder, text, *bindings)
    return str(caught.value)


def test_files_then_bindings_later_over_earlier(tmp_path):
    (tmp_path / "first.gin").write_text("dummy_main.num_epochs = 1\nDummyLoss.margin = 1.0\n")
    (tmp_path / "second.gin").write_text("dummy_main.num_epochs = 2\n")
    files = [str(tmp_path / "first.gin"), str(tmp_path / "second.gin")]
    config.load(files, [])
    assert dummy_main()[1] == 2
    config.load(files, ["dummy_main.num_epochs = 3"])
    assert dummy_main()[1] == 3
    assert gin.get_configurable("DummyLoss")().margin == 1.0


def test_loading_forgets_what_was_bound_before(tmp_path):
    load_text(tmp_path, "dummy_main.num_epochs = 7")
    load_text(tmp_path, "DummyLoss.margin = 0.1")
    assert dummy_main()[1] == 1


def test_factories_scopes_blocks_and_macros(tmp_path):
    load_text(
        tmp_path,
        "wide = 0.5\n"
        "dummy_main:\n"
        "    net = @DummyNet\n"
        "    num_epochs = 4\n"
        "DummyNet.loss = @far/DummyLoss\n"
        "DummyLoss.margin = %wide\n"
        "far/DummyLoss.weights = [1, 2]\n",
    )
    net, epochs, _ = dummy_main()
    assert epochs == 4
    loss = net().loss()
    assert isinstance(loss, DummyLoss)
    assert (loss.margin, loss.weights) == (0.5, [1, 2])
    assert type(net()) is DummyNet


def test_an_include_is_searched_beside_its_file_and_then_in_the_repository(tmp_path, monkeypatch):
    monkeypatch.setattr("fewshot.binding.locating.REPOSITORY", tmp_path / "repository")
    (tmp_path / "repository" / "parts").mkdir(parents=True)
    (tmp_path / "repository" / "parts" / "far.gin").write_text("dummy_main.num_epochs = 5\n")
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine" / "deep" / "near.gin").write_text(
        "include '../middle.gin'\ninclude 'parts/far.gin'\n"
    )
    (tmp_path / "mine" / "middle.gin").write_text("DummyLoss.margin = 0.9\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    load_text(tmp_path, "include 'mine/deep/near.gin'\nDummyNet.loss = @DummyLoss\n")
    assert dummy_main()[1] == 5
    assert gin.get_configurable("DummyNet")().loss().margin == 0.9


def test_a_config_of_the_repository_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("fewshot.binding.locating.REPOSITORY", tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "a.gin").write_text("dummy_main.num_epochs = 6\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    loaded = config.load(["configs/a.gin"], [])
    assert dummy_main()[1] == 6
    assert loaded.config_files == [tmp_path / "configs" / "a.gin"]


def test_a_plug_in_beside_the_config_is_imported_from_any_folder(tmp_path, monkeypatch):
    folder = tmp_path / "method"
    folder.mkdir()
    (folder / "plug_in_of_parsing.py").write_text(
        "import gin\n\n\n@gin.register\ndef plugged_in(value=1):\n    return value\n"
    )
    monkeypatch.chdir(tmp_path)
    loaded = load_text(
        folder, "import plug_in_of_parsing\ndummy_main.net = @plugged_in\nplugged_in.value = 3\n"
    )
    assert dummy_main()[0]() == 3
    assert loaded.plugin_folders == [str(folder)]
    assert "import plug_in_of_parsing\n" in loaded.text
    assert load_text(tmp_path, "dummy_main.num_epochs = 1").plugin_folders == []


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "DumyNet.loss = None",
            "run.gin:2: there is no 'DumyNet'. Did you mean DummyNet?",
        ),
        (
            "DummyNet.los = None",
            "run.gin:2: DummyNet has no parameter 'los'. Did you mean loss? "
            "Its parameters: encoder, loss, size, saved_model_path.",
        ),
        (
            "DummyNet.margin = 1",
            "run.gin:2: DummyNet has no parameter 'margin'. Did you mean ",
        ),
        ("DummyNet.loss = @DummyLos", "run.gin:2: there is no 'DummyLos'. Did you mean DummyLoss"),
        ("DummyNet.loss = [@a/DummyLos()]", "run.gin:2: there is no 'DummyLos'."),
        ("torch.optim.Adm.lr = 1", "there is no 'torch.optim.Adm'. Did you mean torch.optim.Adam"),
        ("DummyNet.loss = @ProxyAnchorLos", "Did you mean pml.ProxyAnchorLoss"),
        ("DummyNet.loss = @RAdam", "may be torch.optim.RAdam or pytorch_optimizer.RAdam"),
        (
            "DummyLoss.margin = %wide",
            "run.gin:2: the macro %wide is not defined. Did you mean wider? "
            "Define it with a line like: wide = 1",
        ),
        ("DumyNet:\n    loss = None", "run.gin:2: there is no 'DumyNet'."),
        ("DummyNet:\n    los = None", "run.gin:3: DummyNet has no parameter 'los'."),
        (
            "DummyNet.saved_model_path = path/to/model.mdl",
            "run.gin:2: the value path/to/model.mdl is not a Python literal. Text needs quotes",
        ),
        ("DummyNet.loss = true", "the value true is not a Python literal"),
        ("DummyNet.saved_model_path = /a/b", "the value /a/b is not a Python literal"),
        ("DummyNet.size =", "run.gin:2: there is no value after '='."),
        ("DummyNet.size = (1, 2", "a bracket or quote is opened here or above and never closed."),
        ("DummyNet.size 3", "run.gin:2: this is not a binding"),
        ("= 3", "run.gin:2: this is not a binding"),
        ("import no_such_plug_in", "run.gin:2: there is no module 'no_such_plug_in'."),
        ("from __gin__ import dynamic_registration", "run.gin:2: gin's dynamic registration"),
        ("include 'no_such.gin'", "run.gin:2: there is no config file 'no_such.gin' in "),
        ("include '.'", "run.gin:2: . is a folder"),
    ],
)
def test_a_mistake_is_named_with_file_line_and_remedy(tmp_path, monkeypatch, line, told):
    monkeypatch.chdir(tmp_path)
    text = refused(tmp_path, f"# the first line\n{line}\n", "wider=1", "DummyOpen.known=%wider")
    assert told in text
    assert "Traceback" not in text and "In file" not in text


def test_a_mistake_in_a_binding_is_named_by_the_binding(tmp_path):
    text = refused(tmp_path, "", "dummy_main.num_epoch=1")
    assert text.startswith("-p 'dummy_main.num_epoch=1': dummy_main has no parameter 'num_epoch'.")
    assert "Did you mean num_epochs?" in text
    assert refused(tmp_path, "", "dummy_main.num_epochs = x").startswith(
        "-p 'dummy_main.num_epochs = x': the value x is not a Python literal."
    )
    assert "binds nothing" in refused(tmp_path, "", "")
    assert "give files with -c" in refused(tmp_path, "", "include 'a.gin'")


def test_a_macro_that_p_defines_in_vain_is_a_forgotten_name(tmp_path):
    text = refused(tmp_path, "", "num_epochs=1")
    assert "this defines a macro 'num_epochs' that nothing uses." in text
    assert "Did you mean" in text and "dummy_main.num_epochs" in text
    load_text(tmp_path, "dummy_main.num_epochs = %n", "n=3")
    assert dummy_main()[1] == 3


def test_a_macro_that_leads_back_to_itself_is_refused(tmp_path):
    assert refused(tmp_path, "a = %a").endswith("run.gin:1: the macro %a is defined by itself.")
    assert "is defined by itself" in refused(tmp_path, "a = [%b]\nb = %c\nc = {1: %a}\n")
    load_text(tmp_path, "a = [%c, %b]\nb = %c\nc = 1\n")


def test_a_misspelt_file_is_suggested(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shoes.gin").touch()
    with pytest.raises(UserError, match=r"no config file 'shoe\.gin' in .* mean shoes\.gin"):
        config.load(["shoe.gin"], [])
    with pytest.raises(UserError, match=r"no config file 'shoes' in .* Did you mean shoes\.gin"):
        config.load(["shoes"], [])
    with pytest.raises(UserError, match="is a folder: name one of the"):
        config.load([str(tmp_path)], [])


def test_of_suggested_files_that_of_the_folder_asked_for_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"Did you mean configs/transfer\.gin or "):
        config.load(["configs/transfr.gin"], [])


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "binary.gin").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(UserError, match=r"binary\.gin cannot be read as text"):
        config.load([str(tmp_path / "binary.gin")], [])


def test_files_that_include_each_other_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.gin").write_text("include 'b.gin'\n")
    (tmp_path / "b.gin").write_text("include 'a.gin'\n")
    with pytest.raises(UserError, match=r"a\.gin includes itself: a\.gin -> b\.gin -> a\.gin"):
        config.load(["a.gin"], [])


def test_an_include_below_a_binding_is_refused(tmp_path):
    (tmp_path / "b.gin").write_text("DummyLoss.margin = 1\n")
    text = refused(tmp_path, "DummyLoss.margin = 2\n\ninclude 'b.gin'\n")
    assert "run.gin:3: this include stands below the binding in line 1" in text


def test_a_mistake_in_an_included_file_is_named_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.gin").write_text("\n\nDummyLoss.margn = 1\n")
    text = refused(tmp_path, "include 'part.gin'\n")
    assert text.startswith("part.gin:3: DummyLoss has no parameter 'margn'. Did you mean margin?")


def test_a_plug_in_is_suggested_and_what_it_lacks_is_named(tmp_path):
    (tmp_path / "my_own_method.py").write_text("import no_such_dependency\n")
    assert "Did you mean my_own_method?" in refused(tmp_path, "import my_own_metod\n")
    text = refused(tmp_path, "import my_own_method\n")
    assert "the plug-in my_own_method needs the module 'no_such_dependency'" in text
    assert "pip install no_such_dependency" in text


def test_a_class_that_takes_anything_is_not_checked(tmp_path):
    load_text(tmp_path, "DummyOpen.unknown = 2")
    assert gin.get_configurable("DummyOpen")().others == {"unknown": 2}


@pytest.mark.parametrize("bracket", "[({")
def test_a_value_that_is_nested_too_deeply_is_refused(tmp_path, bracket):
    text = refused(tmp_path, f"\ndummy_main.num_epochs = {bracket * 100_000}\n")
    assert text.endswith("run.gin:2: brackets are nested too deeply.")
