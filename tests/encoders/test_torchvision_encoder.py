from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchvision import models

from fewshot.encoders.torchvision_encoder import ResNet18, TorchvisionEncoder
from fewshot.errors import UserError
from fewshot.objectives.classifiers import LinearClassifier
from fewshot.training.dry_run import parameter_count

GREY = {"in_channels": 1, "image_size": (28, 28)}
COLOUR = {"in_channels": 3, "image_size": (64, 48)}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A whole ResNet-18 of another number of classes, as someone's training would leave it."""
    torch.manual_seed(1)
    model = models.resnet18(num_classes=7).eval()
    path = tmp_path_factory.mktemp("weights") / "mine.pth"
    torch.save(model.state_dict(), path)
    return model, path


def test_resnet18_has_the_parameters_of_its_source():
    encoder = ResNet18(in_channels=3, image_size=(28, 28))
    whole = nn.Sequential(encoder, LinearClassifier(encoder.num_features, 10))
    assert parameter_count(whole)[0] == 11_181_642
    assert encoder.name == "ResNet18"
    assert encoder.arguments == {
        "in_channels": 3,
        "image_size": (28, 28),
        "small_images": False,
    }


@pytest.mark.parametrize("sizes", [GREY, COLOUR], ids=["grey 28x28", "colour 64x48"])
@pytest.mark.parametrize(
    ("name", "features"),
    [("resnet18", 512), ("mobilenet_v3_small", 1024), ("shufflenet_v2_x0_5", 1024)],
)
def test_any_backbone_gives_its_features(name, features, sizes):
    encoder = TorchvisionEncoder(name=name, **sizes)
    assert encoder.num_features == features
    images = torch.randn(2, sizes["in_channels"], *sizes["image_size"])
    assert encoder.eval()(images).shape == (2, features)
    assert encoder.train()(images).shape == (2, features)


def test_a_vision_transformer_is_built_for_the_image_size():
    encoder = TorchvisionEncoder(name="vit_b_32", in_channels=3, image_size=(32, 32))
    assert encoder.num_features == 768
    assert encoder.model.encoder.pos_embedding.shape == (1, 2, 768)


@pytest.mark.parametrize("channels", [1, 3])
def test_googlenet_rescales_colour_as_its_weights_expect(channels):
    encoder = TorchvisionEncoder(name="googlenet", in_channels=channels, image_size=(64, 64))
    assert encoder.model.transform_input == (channels == 3)
    assert encoder.eval()(torch.randn(2, channels, 64, 64)).shape == (2, 1024)


def test_small_images_keep_the_resolution_in_a_resnet_stem():
    encoder = ResNet18(in_channels=1, image_size=(32, 32), small_images=True)
    assert encoder.model.conv1.weight.shape == (64, 1, 3, 3)
    maps = encoder.model.maxpool(encoder.model.conv1(torch.zeros(1, 1, 32, 32)))
    assert maps.shape[-2:] == (32, 32)
    with pytest.raises(UserError, match=r"small_images = True changes the stem of ResNets"):
        TorchvisionEncoder(name="mobilenet_v3_small", small_images=True, **GREY)


def test_a_weights_file_gives_that_models_features(checkpoint):
    model, path = checkpoint
    encoder = ResNet18(**COLOUR, weights_file=str(path)).eval()
    images = torch.randn(2, 3, 64, 48)
    model.fc = nn.Identity()
    torch.testing.assert_close(encoder(images), model(images), rtol=0, atol=0)


def test_grey_images_see_filters_as_replicated_rgb_would(checkpoint):
    _, path = checkpoint
    colour = ResNet18(in_channels=3, image_size=(28, 28), weights_file=str(path)).eval()
    grey = ResNet18(**GREY, weights_file=str(path)).eval()
    images = torch.randn(2, 1, 28, 28)
    replicated = colour(images.expand(-1, 3, -1, -1))
    torch.testing.assert_close(grey(images), replicated, rtol=1e-4, atol=1e-4)


def test_a_weights_file_that_does_not_fit_is_named_by_key_and_shape(tmp_path, checkpoint):
    state = checkpoint[0].state_dict()
    state["conv1.weight"] = torch.zeros(64, 3, 3, 3)
    del state["bn1.bias"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(UserError) as error:
        ResNet18(**COLOUR, weights_file=str(tmp_path / "other.pth"))
    text = str(error.value)
    assert "conv1.weight is [64, 3, 3, 3] in the file and [64, 3, 7, 7] here" in text
    assert "bn1.bias is not in the file" in text


def test_a_weights_file_is_missing_foreign_or_no_state_dict(tmp_path):
    with pytest.raises(UserError, match=r"ResNet18\.weights_file is .*and there is no such file"):
        ResNet18(**COLOUR, weights_file=str(tmp_path / "none.pth"))
    (tmp_path / "text.pth").write_text("not tensors")
    with pytest.raises(UserError, match="cannot be read as tensors"):
        ResNet18(**COLOUR, weights_file=str(tmp_path / "text.pth"))
    torch.save({"epoch": 3}, tmp_path / "checkpoint.pth")
    with pytest.raises(UserError, match="holds no plain state dict"):
        ResNet18(**COLOUR, weights_file=str(tmp_path / "checkpoint.pth"))


def test_trained_weights_do_not_go_with_another_stem(checkpoint):
    for options in ({**COLOUR, "small_images": True}, {"in_channels": 4, "image_size": (32, 32)}):
        with pytest.raises(UserError, match="trained weights of 'resnet18' are for its own stem"):
            ResNet18(**options, weights_file=str(checkpoint[1]))


def test_without_a_network_the_message_says_which_file_to_put_where(tmp_path, monkeypatch):
    def offline(*_args, **_options):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(UserError) as error:
        ResNet18(**COLOUR, weights="IMAGENET1K_V1")
    file = tmp_path / "checkpoints" / "resnet18-f37072fd.pth"
    text = str(error.value)
    assert "ResNet18.weights 'IMAGENET1K_V1' of 'resnet18' cannot be loaded" in text
    assert f"Put the file of https://download.pytorch.org/models/{file.name} at {file}, or" in text
    assert "bind ResNet18.weights = None" in text
    # and a file at that place is taken
    state = models.resnet18().state_dict()
    torch.save(state, file)
    encoder = ResNet18(**COLOUR, weights="IMAGENET1K_V1")
    assert torch.equal(encoder.model.layer1[0].conv1.weight, state["layer1.0.conv1.weight"])


def test_unknown_names_list_the_known_ones():
    with pytest.raises(UserError, match=r"name is 'resnet19', which torchvision does.*resnet18"):
        TorchvisionEncoder(name="resnet19", **COLOUR)
    with pytest.raises(UserError, match="'resnet18' does not have; it has IMAGENET1K_V1"):
        ResNet18(**COLOUR, weights="IMAGENET1K_V9")


def test_images_that_do_not_go_through_are_named():
    with pytest.raises(UserError, match=r"'alexnet' cannot take 1-channel images of \(28, 28\)"):
        TorchvisionEncoder(name="alexnet", **GREY)


def test_a_model_without_a_linear_classifier_is_refused():
    with pytest.raises(UserError, match="'squeezenet1_1' ends in no linear classifier"):
        TorchvisionEncoder(name="squeezenet1_1", **COLOUR)
