import pytest
import timm
import torch
from safetensors.torch import save_file

from fewshot.encoders.timm_encoder import TimmEncoder
from fewshot.errors import UserError

COLOUR = {"in_channels": 3, "image_size": (64, 48)}


@pytest.mark.parametrize(
    ("name", "features"), [("resnet10t", 512), ("mobilenetv3_small_050", 1024)]
)
@pytest.mark.parametrize("sizes", [{"in_channels": 1, "image_size": (28, 28)}, COLOUR])
def test_any_model_gives_its_features(name, features, sizes):
    encoder = TimmEncoder(name=name, **sizes).eval()
    assert encoder.num_features == features
    images = torch.randn(2, sizes["in_channels"], *sizes["image_size"])
    assert encoder(images).shape == (2, features)


def test_a_vision_transformer_is_built_for_the_image_size():
    encoder = TimmEncoder(name="vit_tiny_patch16_224", **COLOUR)
    assert encoder.model.pos_embed.shape == (1, 1 + 4 * 3, 192)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_weights_file_gives_that_models_features(tmp_path, suffix):
    torch.manual_seed(1)
    model = timm.create_model("resnet10t", num_classes=7).eval()
    path = tmp_path / f"mine.{suffix}"
    if suffix == "pth":
        torch.save(model.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(model.state_dict(), path)
    encoder = TimmEncoder(name="resnet10t", **COLOUR, weights_file=str(path)).eval()
    images = torch.randn(2, 3, 64, 48)
    model.reset_classifier(0)
    assert torch.equal(encoder(images), model(images))
    with pytest.raises(UserError, match="the stored weights do not fit TimmEncoder 'resnet14t'"):
        TimmEncoder(name="resnet14t", **COLOUR, weights_file=str(path))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_weights_file_of_a_diverged_training_is_refused(tmp_path, suffix):
    state = {"conv1.weight": torch.ones(2), "conv1.bias": torch.tensor([1.0, torch.nan])}
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    with pytest.raises(UserError, match=r"not finite \(conv1\.bias\): the training that saved"):
        TimmEncoder(name="resnet10t", **COLOUR, weights_file=str(path))


def test_a_weights_file_is_adapted_to_grey_images(tmp_path):
    torch.manual_seed(0)
    trained = timm.create_model("resnet18", num_classes=7).eval()
    path = tmp_path / "weights.pth"
    torch.save(trained.state_dict(), path)
    grey = torch.rand(2, 1, 64, 64)
    encoder = TimmEncoder(
        name="resnet18", in_channels=1, image_size=(64, 64), weights_file=str(path)
    ).eval()
    expected = trained.forward_head(
        trained.forward_features(grey.expand(-1, 3, -1, -1)), pre_logits=True
    )
    torch.testing.assert_close(encoder(grey), expected, rtol=1e-4, atol=1e-4)


def test_without_a_network_the_message_says_what_to_do(monkeypatch):
    create = timm.create_model

    def offline(name, pretrained, **options):
        if pretrained:
            raise ConnectionError("no network")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(UserError) as error:
        TimmEncoder(name="resnet10t.c3_in1k", **COLOUR, pretrained=True)
    text = str(error.value)
    assert "weights of TimmEncoder 'resnet10t.c3_in1k' cannot be fetched (ConnectionError)" in text
    assert "timm/resnet10t.c3_in1k" in text
    assert "bind TimmEncoder.weights_file" in text
    assert "TimmEncoder.pretrained = False" in text


def test_an_unknown_name_gets_near_ones():
    with pytest.raises(UserError, match=r"'resnet10', which timm does not have; near: .*resnet101"):
        TimmEncoder(name="resnet10", **COLOUR)
