"""Every experiment of configs/: objective, optimiser and schedule are built as main does."""

from pathlib import Path

import gin
import numpy as np
import pytest

from fewshot.batch import Column, DataSpec
from fewshot.binding import config
from fewshot.binding.unused import unused_bindings
from fewshot.encoders.efficientnet_lite import EfficientNetLite0
from fewshot.encoders.small_resnet import SmallResNet
from fewshot.evaluation.gallery_classification import KNNClassification
from fewshot.models.model_file import save_model
from fewshot.objectives.transfer_net import TransferNet
from fewshot.training.optimisation import build_optimizer
from fewshot.training.schedules import ScheduleSizes, build_schedule

INGREDIENTS = ("augment", "data", "encoder", "evaluation", "probe", "schedule", "studies")
EXPERIMENTS = [
    path for path in sorted(Path("configs").glob("**/*.gin")) if path.parent.name not in INGREDIENTS
]
ANY_MODEL = {
    "TransferNet": ["encoder = @SmallResNet", "classifier = None", "new_classifier = None"],
    "TripletNet": ["encoder = @SmallResNet", "new_projection = None"],
}


def spec():
    """What the bound data would say of itself."""
    data = gin.get_bindings("FashionDataset")
    size = data.get("image_size", (64, 64))
    channels = data.get("channels", 3)
    names = tuple(f"class {number}" for number in range(40))
    colours = (0.5,) * channels, (0.25,) * channels
    column = Column(("a", "b"), np.arange(100) % 2)
    return DataSpec(names, channels, size, *colours, rows=100, column=lambda name: column)


def named_by_another(ingredient):
    """Whether another config includes this one, or a study names it."""
    return any(
        ingredient.name in path.read_text()
        for pattern in ("**/*.gin", "**/*.toml")
        for path in Path("configs").glob(pattern)
        if path != ingredient
    )


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: str(path.relative_to("configs")))
def test_an_experiment_is_built(path, tmp_path):
    config.load([str(path)], [])
    if "objective" not in gin.get_bindings("main"):
        assert named_by_another(path), "an ingredient that no experiment and no study names"
        return
    name = gin.get_bindings("main")["objective"].__name__
    if name == "EnsembleNet":
        save_model(TransferNet(spec(), encoder=SmallResNet), tmp_path / "model.mdl")
        gin.bind_parameter("EnsembleNet.saved_model_path", [f"{tmp_path}/model.mdl"] * 2)
    if gin.get_bindings(name).get("new_classifier") and gin.get_bindings(name).get("encoder"):
        # it reads other features out of a saved model
        save_model(TransferNet(spec(), encoder=EfficientNetLite0), tmp_path / "model.mdl")
        gin.bind_parameter("TransferNet.saved_model_path", f"{tmp_path}/model.mdl")
    if name in ANY_MODEL and gin.get_bindings(name).get("encoder") is None:
        # it goes on from a saved model, for which a new one stands here
        config.load([str(path)], [f"{name}.{binding}" for binding in ANY_MODEL[name]])
    main = gin.get_bindings("main")
    objective = main["objective"](spec())
    gin.bind_parameter(f"{KNNClassification.__name__}.groups", None)  # they are read from files
    with gin.config_scope("validation"):
        for factory in main["evaluators"]:
            assert isinstance(factory().monitors, bool)
    gin.get_configurable("Trainer")(gin.get_configurable("Hardware")())
    for rows in ("train_rows", "test_rows"):
        assert main.get(rows) is None or main[rows]() is not None
    if main.get("num_epochs") == 0:
        assert unused(main) == {}
        return
    sampler = main.get("sampler") or gin.get_configurable("ShuffledBatches")
    labels = np.repeat(np.arange(40), 30)
    sampler(labels=labels, class_names=spec().class_names, seed=0)
    optimizer = build_optimizer(main.get("optimizer"), objective)
    sizes = ScheduleSizes(2, 10, main.get("schedule_every", "step"), "max")
    schedule = build_schedule(main.get("schedule"), optimizer, sizes)
    assert (schedule is None) == (main.get("schedule") is None)
    assert unused(main) == {}


def unused(main):
    """What main would say of bindings that go nowhere; it has called what is bound on itself."""
    gin.config._OPERATIVE_CONFIG["", "fewshot.main.main"] = dict(main)
    return {
        name: place
        for name, place in unused_bindings().items()
        if not name.rpartition(".")[0].endswith("FashionDataset")
    }
