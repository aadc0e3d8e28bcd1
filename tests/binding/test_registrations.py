import inspect
import sys
import types

import gin
import pytest
import torch

from fewshot.binding import registrations, registry
from fewshot.binding.third_party import FAMILIES, family_of
from fewshot.errors import UserError
from tests.binding.dummies import isolate, load_text


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    isolate(monkeypatch)
    yield
    gin.clear_config()


@pytest.mark.parametrize("prefix", FAMILIES)
def test_every_listed_name_can_be_named(prefix):
    registrations.register_family(prefix)
    for name in FAMILIES[prefix].names:
        assert registry.resolve(f"{prefix}.{name}") == f"{prefix}.{name}"
        assert family_of(f"{prefix}.{name}") == prefix


def test_a_family_is_registered_once():
    registrations.register_family("torch.optim")
    before = gin.get_configurable("torch.optim.Adam")
    registrations.register_family("torch.optim")
    assert gin.get_configurable("torch.optim.Adam") is before


def public_classes(module, leave_out):
    return {
        name
        for name, thing in vars(module).items()
        if inspect.isclass(thing) and not name.startswith(("_", "Base")) and name not in leave_out
    }


def test_no_optimiser_of_torch_is_missing():
    found = public_classes(torch.optim, {"Optimizer", "LBFGS", "SparseAdam"})
    assert set(FAMILIES["torch.optim"].names) == found


def test_no_metric_loss_or_miner_is_missing():
    import pytorch_metric_learning as library
    from pytorch_metric_learning import distances, losses, miners

    assert library.__version__
    abstract = {"EmbeddingRegularizerMixin", "WeightRegularizerMixin"}
    # these take no labels, or another library's layout of a batch
    abstract |= {"SelfSupervisedLoss", "ManifoldLoss", "VICRegLoss"}
    found = set()
    for module in (distances, losses, miners):
        found |= public_classes(module, abstract)
    assert set(FAMILIES["pml"].names) == found


def test_third_party_factories_take_their_bindings(tmp_path):
    load_text(
        tmp_path,
        "DummyNet.loss = @pml.ProxyAnchorLoss\n"
        "pml.ProxyAnchorLoss.margin = 0.3\n"
        "dummy_main.net = @torch.optim.Adam\n"
        "dummy_main.data = @torch.optim.lr_scheduler.StepLR\n"
        "StepLR.step_size = 4\n",
        "torch.optim.Adam.lr=1e-3",
    )
    loss = gin.get_configurable("DummyNet")().loss(num_classes=3, embedding_size=2)
    assert loss.margin == 0.3
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = gin.get_bindings("dummy_main")["net"]([parameter])
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.param_groups[0]["lr"] == 1e-3
    assert gin.get_bindings("dummy_main")["data"](optimizer).step_size == 4


def test_a_misspelt_parameter_is_found_behind_kwargs_of_a_closed_family(tmp_path):
    load_text(tmp_path, "pml.ProxyAnchorLoss.reducer = None")
    with pytest.raises(UserError, match=r"ProxyAnchorLoss has no parameter 'margn'.*mean margin\?"):
        load_text(tmp_path, "pml.ProxyAnchorLoss.margn = 0.3")


def test_our_name_wins_over_a_third_party_one(tmp_path):
    def ranger_of_test(k=1):
        return k

    gin.external_configurable(ranger_of_test, name="Ranger", module="some.plugin")
    try:
        load_text(tmp_path, "Ranger.k = 3\npytorch_optimizer.Ranger.k = 5\n")
        assert gin.get_bindings("some.plugin.Ranger") == {"k": 3}
        assert gin.get_bindings("pytorch_optimizer.Ranger") == {"k": 5}
        assert registry.short("some.plugin.Ranger") == "Ranger"
        assert registry.unambiguous("some.plugin.Ranger") == "some.plugin.Ranger"
    finally:
        gin.config._REGISTRY.pop("some.plugin.Ranger")


def test_one_name_for_two_things_is_refused(tmp_path):
    for module in ("one.plugin", "two.plugin"):
        function = types.FunctionType((lambda k=1: k).__code__, {}, "twin", (1,))
        gin.external_configurable(function, name="Twin", module=module)
    try:
        with pytest.raises(UserError, match=r"be one\.plugin\.Twin or two\.plugin\.Twin: write"):
            load_text(tmp_path, "Twin.k = 3\n")
        load_text(tmp_path, "two.plugin.Twin.k = 3\n")
        assert registry.short("two.plugin.Twin") == "two.plugin.Twin"
    finally:
        for module in ("one.plugin", "two.plugin"):
            gin.config._REGISTRY.pop(f"{module}.Twin")


def test_a_new_module_is_registered_with_no_edit_elsewhere(tmp_path, monkeypatch):
    package = tmp_path / "walked"
    (package / "objectives").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "objectives" / "__init__.py").touch()
    (package / "objectives" / "new_method.py").write_text(
        "import gin\n\n\n@gin.register\ndef NewMethod(k=1):\n    return k\n"
    )
    (package / "__main__.py").write_text("raise SystemExit('an entry point is not imported')\n")
    monkeypatch.setattr("fewshot.__path__", [str(package)])
    monkeypatch.setitem(sys.modules, "fewshot.objectives", types.ModuleType("fewshot.objectives"))
    sys.modules["fewshot.objectives"].__path__ = [str(package / "objectives")]
    try:
        assert registry.resolve("NewMethod") == "fewshot.objectives.new_method.NewMethod"
        assert "fewshot.objectives.new_method" not in sys.modules
        assert registry.parameters("fewshot.objectives.new_method.NewMethod") == {"k": 1}
    finally:
        sys.modules.pop("fewshot.objectives.new_method", None)
        gin.config._REGISTRY.pop("fewshot.objectives.new_method.NewMethod")
