import gin
import pytest
import torch

from fewshot.errors import UserError
from fewshot.objectives.objective import Objective
from tests.objectives.toy import CLASSES, Pretext, ToyEncoder, batch, images, spec


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


def test_the_encoder_is_built_for_what_the_inputs_give():
    gin.parse_config("Inputs.channels = 3\nInputs.size = (8, 8)")
    objective = Pretext(spec(), ToyEncoder)
    assert objective.encoder.arguments["in_channels"] == 3
    assert objective.encoder.arguments["image_size"] == (8, 8)
    assert objective.class_names == CLASSES
    assert objective.layout == "image"
    assert objective.encoder.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_embedding_is_the_encoder_on_normalised_images():
    objective = Pretext(spec(), ToyEncoder).eval()
    wanted = objective.encoder((images() / 255 - 0.3) / 0.2)
    torch.testing.assert_close(objective.embed(images()), wanted)
    assert not hasattr(objective, "scores")


def test_a_plug_in_needs_no_more_than_forward():
    with pytest.raises(TypeError, match="forward"):
        Objective(spec(), ToyEncoder)
    loss, logs = Pretext(spec(), ToyEncoder)(batch())
    assert loss.requires_grad
    assert logs == {}


def test_without_an_encoder_the_binding_is_named():
    with pytest.raises(UserError, match=r"Pretext\.encoder is not bound: bind one, e\.g\. Pretext"):
        Pretext(spec())


def test_the_optimiser_gets_what_is_not_frozen():
    objective = Pretext(spec(), ToyEncoder)
    objective.encoder.requires_grad_(False)
    (group,) = objective.parameter_groups()
    assert [id(p) for p in group["params"]] == [id(p) for p in objective.decoder.parameters()]
    objective.requires_grad_(False)
    with pytest.raises(UserError, match=r"Pretext has no parameter to train.*num_epochs = 0"):
        objective.parameter_groups()


def test_the_rest_is_all_but_encoder_and_inputs_and_goes_back():
    first, second = Pretext(spec(), ToyEncoder), Pretext(spec(), ToyEncoder)
    state = first.rest_state()
    assert set(state) == {"decoder.weight", "decoder.bias"}
    before = second.encoder.conv.weight.clone()
    second.load_rest_state(state)
    assert torch.equal(second.decoder.weight, first.decoder.weight)
    assert torch.equal(second.encoder.conv.weight, before)


def test_a_rest_that_does_not_fit_is_named():
    objective = Pretext(spec(), ToyEncoder)
    with pytest.raises(UserError) as error:
        objective.load_rest_state({"decoder.weight": torch.zeros(3, 6), "other": torch.zeros(1)})
    text = str(error.value)
    assert "decoder.weight is [3, 6] in the file and [2, 6] here" in text
    assert "decoder.bias is not in the file" in text
    assert "other is only in the file" in text
