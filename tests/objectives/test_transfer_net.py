import logging
from dataclasses import replace
from functools import partial

import gin
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fewshot.batch import Column
from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError
from fewshot.heads.knn import KNN
from fewshot.heads.prototypes import NearestPrototype
from fewshot.models.extras import add_extras
from fewshot.models.model_file import load_model, save_model
from fewshot.objectives.classifiers import (
    CosineClassifier,
    IdentityClassifier,
    LinearClassifier,
    TwoLayerClassifier,
)
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.rotation_net import RotationNet
from fewshot.objectives.transfer_net import TransferNet
from fewshot.objectives.triplet_net import TripletNet
from tests.models.rewriting import downgrade, rewrite
from tests.objectives.toy import CLASSES, Pretext, ToyEncoder, batch, images, spec

OTHERS = ("Bags", "Hats", "Shoes")


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


@pytest.fixture
def saved(tmp_path):
    """(a trained classifier in evaluation mode, the path of its model.mdl)."""
    torch.manual_seed(5)
    objective = TransferNet(spec(), ToyEncoder)
    objective(batch())
    save_model(objective.eval(), tmp_path / "model.mdl")
    return objective, str(tmp_path / "model.mdl")


@pytest.fixture
def pretext(tmp_path):
    """The path of the model.mdl of an autoencoder-like task with a code as wide as the classes."""
    objective = Pretext(spec(), lambda **sizes: ToyEncoder(code_size=3, **sizes))
    save_model(objective, tmp_path / "pretext.mdl")
    return str(tmp_path / "pretext.mdl")


def test_loss_and_accuracy_are_their_definitions():
    objective = TransferNet(spec(), ToyEncoder).eval()
    loss, logs = objective(batch())
    logits = objective.scores(images())
    labels = batch().labels
    plain = -sum(logits[i].log_softmax(0)[labels[i]] for i in range(6)) / 6
    torch.testing.assert_close(loss, plain)
    assert logs["top1"] == (logits.argmax(1) == labels).float().mean()
    assert not logs["top1"].requires_grad


def test_label_smoothing_comes_with_the_bound_loss():
    objective = TransferNet(
        spec(), ToyEncoder, loss=lambda: nn.CrossEntropyLoss(label_smoothing=0.3)
    ).eval()
    shares = F.one_hot(batch().labels, 3) * 0.7 + 0.1
    wanted = -(shares * objective.scores(images()).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(objective(batch())[0], wanted)


def test_training_sees_augmented_images_and_scores_do_not():
    objective = TransferNet(spec(), ToyEncoder).eval()
    objective.inputs = Inputs(spec(), augment=lambda: lambda x, random: 255 - x)
    wanted = F.cross_entropy(objective.scores(255 - images()), batch().labels)
    torch.testing.assert_close(objective(batch())[0], wanted)


def test_a_saved_model_goes_on_where_it_was(saved):
    before, path = saved
    again = TransferNet(spec(), saved_model_path=path).eval()
    assert torch.equal(again.scores(images()), before.scores(images()))
    bound = TransferNet(spec(), ToyEncoder, saved_model_path=path).eval()
    assert torch.equal(bound.scores(images()), before.scores(images()))


def test_other_classes_get_a_new_classifier_and_the_log_says_so(saved, caplog):
    before, path = saved
    with caplog.at_level(logging.INFO, "fewshot"):
        objective = TransferNet(spec(OTHERS), saved_model_path=path).eval()
    assert objective.class_names == OTHERS
    assert torch.equal(objective.embed(images()), before.embed(images()))
    assert not torch.equal(objective.scores(images()), before.scores(images()))
    assert "new classifier LinearClassifier" in caplog.text
    assert "it was for other classes (3, now 3)" in caplog.text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"classifier": TwoLayerClassifier},
            r"it was LinearClassifier(cells=1, num_classes=3, num_features=6)",
        ),
        ({"new_classifier": True}, "TransferNet.new_classifier is True"),
    ],
)
def test_another_classifier_is_made_and_logged(saved, caplog, options, reason):
    with caplog.at_level(logging.INFO, "fewshot"):
        objective = TransferNet(spec(), saved_model_path=saved[1], **options)
    assert type(objective.classifier) is options.get("classifier", LinearClassifier)
    assert reason in caplog.text
    scores = objective.eval().scores(images())
    assert not torch.equal(scores, saved[0].scores(images()))


def test_a_bound_classifier_of_the_same_kind_keeps_its_weights(saved):
    objective = TransferNet(spec(), saved_model_path=saved[1], classifier=LinearClassifier)
    assert torch.equal(objective.classifier.linear.weight, saved[0].classifier.linear.weight)


def test_a_kept_classifier_brings_its_class_names(saved):
    before, path = saved
    objective = TransferNet(spec(OTHERS), saved_model_path=path, new_classifier=False).eval()
    assert objective.class_names == CLASSES
    assert torch.equal(objective.scores(images()), before.scores(images()))
    with pytest.raises(
        UserError, match=r"cannot train here: new_classifier = False keeps the saved mod"
    ):
        objective(batch())


def test_unlabelled_data_suffice_for_evaluation_with_a_kept_classifier(saved):
    objective = TransferNet(spec(()), saved_model_path=saved[1], new_classifier=False)
    assert objective.class_names == CLASSES


def test_a_model_without_a_classifier_has_no_classifier_to_keep(pretext):
    with pytest.raises(UserError, match="is a model of Pretext and has no classifier: evaluate it"):
        TransferNet(spec(), saved_model_path=pretext, new_classifier=False)


def test_a_code_as_wide_as_the_classes_becomes_the_classifier(pretext, caplog):
    with caplog.at_level(logging.INFO, "fewshot"):
        objective = TransferNet(spec(), saved_model_path=pretext).eval()
    assert type(objective.classifier) is IdentityClassifier
    assert torch.equal(objective.scores(images()), objective.embed(images()))
    assert "kept as the classifier" in caplog.text
    save_model(objective, pretext)
    again = TransferNet(spec(), saved_model_path=pretext).eval()
    assert torch.equal(again.scores(images()), objective.scores(images()))


def test_a_code_of_another_width_gets_a_classifier(pretext, caplog):
    with caplog.at_level(logging.INFO, "fewshot"):
        objective = TransferNet(spec((*CLASSES, "Ties")), saved_model_path=pretext)
    assert type(objective.classifier) is LinearClassifier
    assert "a model of Pretext has no classifier" in caplog.text


def test_the_stored_input_format_holds_unless_bound(saved):
    path = saved[1]
    inputs = TransferNet(replace(spec(), mean=(0.9,)), saved_model_path=path).inputs
    assert (inputs.channels, inputs.size, inputs.mean, inputs.std) == (1, (12, 10), (0.3,), (0.2,))
    gin.parse_config("Inputs.mean = (0.5,)\nInputs.size = (16, 14)")
    bound = TransferNet(spec(size=(16, 14)), saved_model_path=path)
    assert (bound.inputs.size, bound.inputs.mean) == ((16, 14), (0.5,))
    assert bound.encoder.arguments["image_size"] == (16, 14)


def test_images_of_other_channels_are_refused(saved):
    with pytest.raises(UserError) as error:
        TransferNet(spec(channels=3), saved_model_path=saved[1])
    assert "FashionDataset.channels is 3, but" in str(error.value)
    assert "prepared with 1: bind FashionDataset.channels = 1." in str(error.value)


def test_images_resized_by_another_rule_are_refused(tmp_path):
    path = str(tmp_path / "model.mdl")
    save_model(TransferNet(replace(spec(), resize="stretch"), ToyEncoder), path)
    TransferNet(replace(spec(), resize="stretch"), saved_model_path=path)
    for method in (TransferNet, TripletNet):
        with pytest.raises(UserError) as error:
            method(replace(spec(), resize="pad"), saved_model_path=path)
        assert "FashionDataset.resize is 'pad', but" in str(error.value)
        assert "prepared with 'stretch': bind FashionDataset.resize = 'stretch'." in str(
            error.value
        )


@pytest.mark.parametrize(
    ("digests", "earlier", "said"),
    [
        ((1, 2), False, ""),
        ((), False, "cannot be told: it was saved without digests of them"),
        ((1, 2), True, "cannot be told: it is of an earlier format, which does not tell how"),
    ],
)
def test_a_run_says_where_images_cannot_be_compared(tmp_path, caplog, digests, earlier, said):
    path = tmp_path / "model.mdl"
    seen = np.array(digests, dtype=np.int64)
    facts = replace(spec(), resize="pad", image_digests=seen)
    save_model(TransferNet(facts, ToyEncoder), path)
    if earlier:
        downgrade(path)
    objective = TransferNet(facts, saved_model_path=str(path))
    assert said in caplog.text
    assert ("cannot be told" in caplog.text) == bool(said)
    assert objective.inherited_images.tolist() == list(digests)


def test_going_on_at_another_size_says_that_images_cannot_be_compared(tmp_path, caplog):
    path = tmp_path / "model.mdl"
    facts = replace(spec(), image_digests=np.array([4], dtype=np.int64))
    save_model(TransferNet(facts, ToyEncoder), path)
    gin.parse_config("Inputs.size = (16, 14)")
    TransferNet(spec(size=(16, 14)), saved_model_path=str(path))
    assert "cannot be told: its images were (12, 10), and today's are (16, 14)" in caplog.text


def test_images_of_another_size_are_refused(saved):
    with pytest.raises(UserError) as error:
        TransferNet(spec(size=(28, 28)), saved_model_path=saved[1])
    assert "the images are (28, 28), but" in str(error.value)
    assert "bind FashionDataset.image_size = (12, 10)" in str(error.value)


def test_a_model_saved_before_an_option_was_there_goes_on(tmp_path):
    before = TransferNet(spec(), SmallResNet).eval()
    save_model(before, tmp_path / "model.mdl")

    def forget(content):
        del content["encoder"]["arguments"]["grid"], content["classifier"]["arguments"]["cells"]

    rewrite(tmp_path / "model.mdl", forget)
    path = str(tmp_path / "model.mdl")
    again = TransferNet(
        spec(), SmallResNet, classifier=LinearClassifier, saved_model_path=path
    ).eval()
    assert torch.equal(again.scores(images()), before.scores(images()))
    # whatever is bound today
    gin.parse_config("SmallResNet.grid = (2, 2)\nLinearClassifier.cells = 4")
    again = TransferNet(spec(), None, saved_model_path=path).eval()
    assert torch.equal(again.scores(images()), before.scores(images()))
    gin.parse_config("SmallResNet.widths = (8, 8)")
    bound = gin.get_configurable("SmallResNet")
    with pytest.raises(UserError, match=r"widths=\(8, 8\)\), but .* holds .*widths=\(32, 64, 128"):
        TransferNet(spec(), bound, saved_model_path=path)


def read_otherwise(tmp_path, before, now, **options):
    """A net of other features than the one that was saved."""
    save_model(before, tmp_path / "model.mdl")
    return TransferNet(
        spec(), partial(SmallResNet, **now), saved_model_path=f"{tmp_path}/model.mdl", **options
    ).eval()


def test_other_features_are_read_out_of_the_same_weights(tmp_path, caplog):
    before = TransferNet(spec(), SmallResNet).eval()
    with caplog.at_level("INFO", "fewshot"):
        again = read_otherwise(tmp_path, before, {"grid": (3, 3)})
    assert "new classifier LinearClassifier in place of that of" in caplog.text
    assert "it was for other features (SmallResNet.grid is (3, 3) now)" in caplog.text
    cells = again.embed(images()).unflatten(1, (128, 9))
    torch.testing.assert_close(cells.mean(2), before.embed(images()))
    with pytest.raises(UserError, match=r"for other features .*: bind TransferNet.encoder = No"):
        read_otherwise(tmp_path, before, {"grid": (3, 3)}, new_classifier=False)


def test_nothing_is_kept_behind_as_many_other_features(tmp_path):
    column = Column(("a", "b"), np.arange(100) % 2)
    there = replace(spec(), column=lambda _name: column)
    before = TransferNet(there, SmallResNet, auxiliary={"kind": 0.5})
    save_model(before, tmp_path / "model.mdl")
    add_extras(tmp_path / "model.mdl", {"columns": before.columns})
    options = {"saved_model_path": f"{tmp_path}/model.mdl", "auxiliary": {"kind": 0.5}}
    same = TransferNet(there, SmallResNet, **options)
    other = TransferNet(there, partial(SmallResNet, max_pool=True), **options)
    for name, weight in before.auxiliary.linear["kind"].named_parameters():
        assert torch.equal(weight, same.auxiliary.linear["kind"].get_parameter(name))
        assert not torch.equal(weight, other.auxiliary.linear["kind"].get_parameter(name))
    assert torch.equal(before.classifier.linear.weight, same.classifier.linear.weight)
    assert not torch.equal(before.classifier.linear.weight, other.classifier.linear.weight)


def test_a_stored_grid_need_not_fit_where_another_is_asked_for(tmp_path):
    before = TransferNet(spec(), partial(SmallResNet, grid=(3, 3)))
    gin.parse_config("Inputs.size = (6, 5)")  # a last map of 2x2
    read_otherwise(tmp_path, before, {"grid": (1, 1)})


def test_what_the_file_holds_is_told_as_it_is(tmp_path):
    before = TransferNet(spec(), partial(SmallResNet, grid=(1, 2)))
    with pytest.raises(UserError, match=r"depth=2, grid=\(3, 3\).* holds .*depth=1, grid=\(1, 2\)"):
        read_otherwise(tmp_path, before, {"grid": (3, 3), "depth": 2})


def test_an_encoder_of_ones_own_need_not_take_its_parents_arguments(tmp_path):
    class Own(SmallResNet):
        def __init__(self, *, in_channels, image_size, wide=8):
            sizes = {"in_channels": in_channels, "image_size": image_size}
            super().__init__(**sizes, widths=(wide, wide), grid=(1, 2))

    save_model(TransferNet(spec(), Own), tmp_path / "model.mdl")
    path = f"{tmp_path}/model.mdl"
    TransferNet(spec(), Own, saved_model_path=path)
    with pytest.raises(UserError, match=r"Own\(.*wide=16\), but .* holds Own\(.*wide=8\)"):
        TransferNet(spec(), partial(Own, wide=16), saved_model_path=path)


@pytest.mark.parametrize("value", [True, False])
def test_a_classifier_to_replace_or_keep_needs_a_saved_model(value):
    with pytest.raises(UserError, match=f"new_classifier is {value}, but there is no saved model"):
        TransferNet(spec(), SmallResNet, new_classifier=value)


def test_a_list_in_a_binding_is_a_tuple_in_the_model(tmp_path):
    save_model(TransferNet(spec(), lambda **s: SmallResNet(grid=(2, 1), **s)), tmp_path / "m.mdl")
    path = str(tmp_path / "m.mdl")
    TransferNet(spec(), lambda **s: SmallResNet(grid=[2, 1], **s), saved_model_path=path)


def test_a_stored_classifier_of_an_unknown_module_gives_way_to_a_bound_one(tmp_path):
    save_model(TransferNet(spec(), SmallResNet), tmp_path / "model.mdl")
    rewrite(tmp_path / "model.mdl", lambda c: c["classifier"].update(name="SomebodyElse"))
    path = str(tmp_path / "model.mdl")
    assert (
        TransferNet(spec(), classifier=LinearClassifier, saved_model_path=path).classifier.name
        == "LinearClassifier"
    )


def test_the_default_classifier_takes_its_bindings():
    gin.parse_config("LinearClassifier.cells = 2")
    make = gin.get_configurable("TransferNet")
    assert make(spec(), encoder=SmallResNet).classifier.linear.in_features == 64


def test_another_encoder_is_refused_by_name_and_arguments(saved):
    with pytest.raises(UserError) as error:
        TransferNet(spec(), SmallResNet, saved_model_path=saved[1])
    assert "TransferNet.encoder is SmallResNet(depth=1, grid=(1, 1), " in str(error.value)
    assert "holds ToyEncoder(code_size=None, in_channels=1, width=6)" in str(error.value)
    assert "bind TransferNet.encoder = None" in str(error.value)
    with pytest.raises(UserError, match=r"ToyEncoder\(.*width=8\), but .* holds .*width=6\)"):
        TransferNet(spec(), lambda **s: ToyEncoder(width=8, **s), saved_model_path=saved[1])


def test_published_weights_are_not_fetched_only_to_be_overwritten(saved):
    gin.parse_config("TransferNet.encoder = @ToyEncoder\nToyEncoder.weights = 'published'")
    make = gin.get_configurable("TransferNet")
    assert make(spec()).encoder.weights == "published"
    assert make(spec(), saved_model_path=saved[1]).encoder.weights is None
    assert make(spec(), encoder=None, saved_model_path=saved[1]).encoder.weights is None


def test_tensors_that_do_not_fit_are_named_with_both_shapes(saved):
    gin.parse_config("Inputs.channels = 3")
    with pytest.raises(UserError, match=r"conv\.weight is \[6, 1, 3, 3\] in the file and \[6, 3"):
        TransferNet(spec(), saved_model_path=saved[1])


def trained_step(objective):
    optimiser = torch.optim.SGD(objective.parameter_groups()[0]["params"], lr=0.1)
    objective.train()
    objective(batch())[0].backward()
    optimiser.step()


def test_a_frozen_encoder_does_not_move_not_even_its_norms(saved):
    objective = TransferNet(spec(), saved_model_path=saved[1], frozen=True)
    before = {k: v.clone() for k, v in objective.state_dict().items()}
    trained_step(objective)
    moved = {k for k, v in objective.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"classifier.linear.weight", "classifier.linear.bias"}
    assert objective.training
    assert not any(module.training for module in objective.encoder.modules())


def test_the_first_blocks_frozen_leave_the_rest_to_train(saved):
    objective = TransferNet(spec(), saved_model_path=saved[1], frozen=1)
    before = {k: v.clone() for k, v in objective.state_dict().items()}
    trained_step(objective)
    still = {k for k, v in objective.state_dict().items() if torch.equal(v, before[k])}
    assert still == {"encoder.conv.weight", "encoder.conv.bias"}
    assert objective.encoder.dropout.training


def test_more_frozen_blocks_than_there_are():
    with pytest.raises(UserError, match=r"frozen is 4, but ToyEncoder has 3 blocks: bind 0"):
        TransferNet(spec(), ToyEncoder, frozen=4)


@pytest.mark.parametrize(("class_names", "found"), [((), "no labels"), (("Bags",), "only 'Bags'")])
def test_fewer_than_two_classes_are_refused(class_names, found):
    with pytest.raises(UserError, match=f"at least two classes, and the data have {found}"):
        TransferNet(spec(class_names), ToyEncoder)


def test_neither_encoder_nor_model():
    with pytest.raises(UserError, match=r"neither an encoder nor a saved model.*saved_model_path"):
        TransferNet(spec())
    with pytest.raises(UserError, match=r"new_classifier is False, but there is no saved model"):
        TransferNet(spec(), ToyEncoder, new_classifier=False)


def test_it_is_wired_by_gin(saved):
    gin.parse_config(
        f"TransferNet.saved_model_path = '{saved[1]}'\n"
        "TransferNet.classifier = @CosineClassifier\n"
        "CosineClassifier.scale = 4.0\nCosineClassifier.learned = False\n"
    )
    objective = gin.get_configurable("TransferNet")(spec())
    assert type(objective) is TransferNet
    assert type(objective.classifier) is CosineClassifier
    scores = objective.eval().scores(images())
    features = objective.embed(images())
    for row, feature in enumerate(features):
        for column, weight in enumerate(objective.classifier.weight):
            wanted = 4 * torch.dot(feature, weight) / (feature.norm() * weight.norm())
            torch.testing.assert_close(scores[row, column], wanted)
    save_model(objective, saved[1])
    assert load_model(saved[1]).classifier.arguments["scale"] == 4.0


@pytest.mark.parametrize("bound", [KNN, NearestPrototype, "LinearClassifier", nn.Linear, 3])
@pytest.mark.parametrize("method", [TransferNet, RotationNet])
def test_what_is_no_classifier_is_refused(method, bound):
    with pytest.raises(UserError) as error:
        method(spec(size=(12, 12)), ToyEncoder, classifier=bound)
    assert f"{method.__name__}.classifier is " in str(error.value)
    assert "which is no classifier that trains: bind one without quotes" in str(error.value)


@pytest.mark.parametrize("bound", ["resnet18", nn.Linear, 3, LinearClassifier])
def test_what_is_no_encoder_is_refused(bound):
    with pytest.raises(UserError, match=r"TransferNet\.encoder is .*which is no encoder: bind one"):
        TransferNet(spec(), bound)


def test_an_encoder_that_was_built_already_is_refused():
    with pytest.raises(UserError, match=r"which is no encoder: bind one without quotes and paren"):
        TransferNet(spec(), ToyEncoder(in_channels=1, image_size=(12, 10)))
