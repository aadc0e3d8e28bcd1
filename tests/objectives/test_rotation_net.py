import gin
import pytest
import torch

from fewshot.errors import UserError
from fewshot.models.model_file import load_model, save_model
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.rotation_net import RotationNet
from fewshot.objectives.transfer_net import TransferNet
from tests.objectives.toy import ToyEncoder, batch, images, spec

SQUARE = spec(size=(10, 10))


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


def turned_once(image):
    """A quarter turn counter-clockwise: the right column becomes the top row."""
    channels, side, _ = image.shape
    result = torch.empty_like(image)
    for c in range(channels):
        for row in range(side):
            for column in range(side):
                result[c, row, column] = image[c, column, side - 1 - row]
    return result


@pytest.mark.parametrize("angles", [(0, 90, 180, 270), (90, 180), [270, 0, -270], (180.0, 0.0)])
def test_every_image_is_seen_at_every_angle_under_the_angles_position(angles):
    objective = RotationNet(SQUARE, ToyEncoder, angles=angles)
    shown = images(3, channels=2, size=(10, 10)).float()
    turned, labels = objective.rotate(shown)
    assert turned.shape == (3 * len(angles), 2, 10, 10)
    for position, angle in enumerate(angles):
        for number, image in enumerate(shown):
            wanted = image
            for _ in range(int(angle) % 360 // 90):
                wanted = turned_once(wanted)
            place = position * len(shown) + number
            torch.testing.assert_close(turned[place], wanted)
            assert labels[place] == position


def test_loss_and_accuracy_are_means_over_images_and_angles():
    objective = RotationNet(SQUARE, ToyEncoder, angles=(90, 180)).eval()
    shown = batch(size=(10, 10))
    loss, logs = objective(shown)
    losses, right = [], []
    for image in objective.inputs.normalise(shown.images):
        for label, times in enumerate((1, 2)):
            turned = image
            for _ in range(times):
                turned = turned_once(turned)
            scores = objective.classifier(objective.encoder(turned[None]))[0]
            losses.append(-scores.log_softmax(0)[label])
            right.append(float(scores.argmax() == label))
    torch.testing.assert_close(loss, sum(losses) / len(losses))
    assert logs["rotation_top1"].item() == pytest.approx(sum(right) / len(right))
    assert not logs["rotation_top1"].requires_grad
    figures = objective.pretext_figures(shown.images)
    pairs = torch.stack(losses).view(-1, 2)
    torch.testing.assert_close(figures["rotation_loss"], pairs.mean(1))
    assert figures["rotation_top1"].tolist() == torch.tensor(right).view(-1, 2).mean(1).tolist()


def test_images_are_cut_to_their_central_square_unless_only_half_turned():
    objective = RotationNet(spec(size=(12, 10)), ToyEncoder)
    assert objective.inputs.size == (10, 10)
    assert objective.encoder.arguments["image_size"] == (10, 10)
    shown = images(size=(12, 10))
    torch.testing.assert_close(
        objective.inputs.normalise(shown),
        Inputs(spec(size=(10, 10))).normalise(shown[:, :, 1:11]),
    )
    assert RotationNet(spec(size=(12, 10)), ToyEncoder, angles=(0, 180)).inputs.size == (12, 10)
    # a quarter turn and three: both lie on their side, which the square must hide all the same
    assert RotationNet(spec(size=(12, 10)), ToyEncoder, angles=(90, 270)).inputs.size == (10, 10)


def test_bound_inputs_stay_as_they_are_but_for_the_square():
    def inputs(given, **options):
        return Inputs(given, **({"size": (9, 12), "mean": (0.5,)} | options))

    objective = RotationNet(spec(size=(12, 12)), ToyEncoder, inputs)
    assert objective.inputs.size == (9, 9)
    assert objective.inputs.mean == (0.5,)


def test_its_model_is_taken_up_by_a_classifier_of_the_same_oblong_images(tmp_path):
    objective = RotationNet(spec(size=(12, 10)), ToyEncoder)
    objective(batch(size=(12, 10)))
    save_model(objective.eval(), tmp_path / "model.mdl")
    stored = load_model(tmp_path / "model.mdl")
    assert (stored.images.size, stored.inputs.size, stored.classifier) == (
        (12, 10),
        (10, 10),
        None,
    )
    path = str(tmp_path / "model.mdl")
    classifier = TransferNet(spec(size=(12, 10)), saved_model_path=path).eval()
    assert classifier.inputs.size == (10, 10)
    shown = images(size=(12, 10))
    torch.testing.assert_close(classifier.embed(shown), objective.embed(shown))
    assert classifier.scores(shown).shape == (6, 3)


@pytest.mark.parametrize(
    ("angles", "text"),
    [
        ((0, 45), "has 45, which is not a multiple of 90 degrees: bind some of 0, 90, 180, 270"),
        ((0, "90"), "has '90', which is not a multiple of 90"),
        ((0,), r"angles is \(0,\): bind at least two, no two of them alike"),
        ((0, 360), r"angles is \(0, 360\): bind at least two, no two of them alike"),
        (90, r"angles is 90: bind a list such as \(0, 90, 180, 270\)"),
    ],
)
def test_wrong_angles_are_refused(angles, text):
    with pytest.raises(UserError, match=text):
        RotationNet(SQUARE, ToyEncoder, angles=angles)
