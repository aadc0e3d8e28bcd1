import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError
from fewshot.models.building import build_classifier
from fewshot.models.stored import StoredPart
from fewshot.objectives.classifiers import (
    CosineClassifier,
    IdentityClassifier,
    LinearClassifier,
    ThreeLayerClassifier,
    TwoLayerClassifier,
)
from fewshot.training.dry_run import parameter_count


@pytest.mark.parametrize(
    "classifier", [LinearClassifier, TwoLayerClassifier, ThreeLayerClassifier, CosineClassifier]
)
def test_every_classifier_scores_every_class_and_can_be_rebuilt(classifier):
    built = classifier(12, 5).eval()
    features = torch.randn(3, 12)
    assert built(features).shape == (3, 5)
    part = StoredPart(built.name, built.arguments, built.state_dict())
    again = build_classifier(part, "a.mdl").eval()
    assert torch.equal(again(features), built(features))


def test_parameter_counts():
    assert parameter_count(LinearClassifier(192, 10))[0] == 193 * 10
    assert parameter_count(TwoLayerClassifier(192, 10))[0] == 193 * 192 + 193 * 10
    assert parameter_count(ThreeLayerClassifier(50_176, 1))[0] == 50_177 * 32 + 33 * 16 + 17


def test_two_layers_are_one_linear_map():
    classifier = TwoLayerClassifier(6, 4)
    first, second = classifier.layers
    weight = second.weight @ first.weight
    bias = second.weight @ first.bias + second.bias
    features = torch.randn(3, 6)
    torch.testing.assert_close(classifier(features), features @ weight.T + bias)


def test_three_layers_have_leaky_relu_and_dropout_between():
    classifier = ThreeLayerClassifier(6, 4)
    assert [m.p for m in classifier.modules() if isinstance(m, nn.Dropout)] == [0.5, 0.5]
    first, second, third = (m for m in classifier.modules() if isinstance(m, nn.Linear))
    features = torch.randn(3, 6)
    inner = F.leaky_relu(second(F.leaky_relu(first(features), 0.2)), 0.2)
    torch.testing.assert_close(classifier.eval()(features), third(inner))
    with pytest.raises(UserError, match=r"ThreeLayerClassifier\.hidden is \(8,\): bind two widths"):
        ThreeLayerClassifier(6, 4, hidden=(8,))


def test_a_cosine_scale_trains_unless_fixed():
    features = torch.randn(3, 6)
    assert parameter_count(CosineClassifier(6, 4)) == (25, 25)
    fixed = CosineClassifier(6, 4, scale=2.0, learned=False)
    assert parameter_count(fixed) == (25, 24)
    assert fixed(features).abs().max() <= 2
    torch.testing.assert_close(fixed(features * 7), fixed(features))


@pytest.mark.parametrize("classifier", [LinearClassifier, CosineClassifier])
def test_a_classifier_on_the_mean_of_cells_is_the_classifier_of_an_encoder_without_cells(
    classifier,
):
    images = torch.randn(5, 1, 32, 24)
    options = {"in_channels": 1, "image_size": (32, 24), "widths": (4, 6)}
    whole, grid = SmallResNet(**options).eval(), SmallResNet(**options, grid=(4, 3)).eval()
    grid.load_state_dict(whole.state_dict())
    plain, averaged = classifier(6, 3), classifier(6 * 12, 3, cells=12)
    averaged.load_state_dict(plain.state_dict())
    torch.testing.assert_close(averaged(grid(images)), plain(whole(images)))


@pytest.mark.parametrize("cells", [0, 5])
def test_cells_that_the_features_do_not_divide_into_are_refused(cells):
    with pytest.raises(
        UserError, match=rf"LinearClassifier\.cells is {cells}, but the encoder has 72 feat"
    ):
        LinearClassifier(72, 3, cells=cells)


def test_features_are_scores_only_where_they_are_as_many():
    features = torch.randn(3, 4)
    assert IdentityClassifier(4, 4)(features) is features
    with pytest.raises(UserError, match="takes the encoder's 6 features as the scores of 4 class"):
        IdentityClassifier(6, 4)
