import gin
import pytest
import torch

from fewshot.augmentation.transforms import HorizontalFlip
from fewshot.encoders.cifar_net import CifarNet
from fewshot.encoders.simple_cnn import SimpleCNN
from fewshot.encoders.small_resnet import SmallResNet
from fewshot.errors import UserError
from fewshot.models.model_file import save_model
from fewshot.objectives.autoencoder import AutoEncoder
from fewshot.objectives.classifiers import IdentityClassifier, LinearClassifier
from fewshot.objectives.decoders import CifarNetDecoder, UpsamplingDecoder
from fewshot.objectives.inputs import Inputs
from fewshot.objectives.transfer_net import TransferNet
from tests.objectives.toy import CLASSES, ToyEncoder, batch, images, spec


@pytest.fixture(autouse=True)
def clear_gin():
    yield
    gin.clear_config()


def test_the_loss_is_the_mean_squared_error_against_what_the_encoder_saw():
    objective = AutoEncoder(spec(), ToyEncoder).eval()
    shown = batch()
    loss, logs = objective(shown)
    seen = objective.inputs.normalise(shown.images)
    rebuilt = objective.decoder(objective.encoder(seen))
    errors = [
        sum(((a - b) ** 2).item() for a, b in zip(x.flatten(), y.flatten(), strict=True)) / 120
        for x, y in zip(seen, rebuilt, strict=True)
    ]
    assert loss.item() == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    assert logs == {}
    found = objective.pretext_figures(shown.images)["reconstruction_loss"]
    assert found.tolist() == pytest.approx(errors, rel=1e-4)


def test_the_target_is_the_augmented_image():
    def flipping(given):
        return Inputs(given, lambda: HorizontalFlip(1.0))

    objective = AutoEncoder(spec(), ToyEncoder, flipping).eval()
    shown = batch()
    seen = objective.inputs.normalise(shown.images.flip(-1))
    wanted = (objective.decoder(objective.encoder(seen)) - seen).square().mean()
    torch.testing.assert_close(objective(shown)[0], wanted)


def test_reconstructions_are_in_pixels():
    objective = AutoEncoder(spec(), ToyEncoder).eval()
    shown = images()
    seen, rebuilt = objective.reconstruct(shown)
    torch.testing.assert_close(seen, shown / 255)
    raw = objective.decoder(objective.encoder(objective.inputs.normalise(shown)))
    torch.testing.assert_close(rebuilt, (raw * 0.2 + 0.3).clamp(0, 1))


def test_training_it_brings_the_error_down():
    torch.manual_seed(0)
    objective = AutoEncoder(
        spec(size=(16, 16)), lambda **sizes: CifarNet(code_size=8, **sizes), None, CifarNetDecoder
    )
    pixels = torch.zeros(6, 1, 16, 16, dtype=torch.uint8)
    for i in range(6):
        pixels[i, :, i : i + 8, 2 * i : 2 * i + 4] = 200
    shown = batch()
    shown = type(shown)(pixels, None, shown.rows, shown.keys)
    optimizer = torch.optim.Adam(objective.parameters(), 1e-3)
    losses = []
    for _ in range(30):
        loss, _ = objective(shown)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 3


@pytest.mark.parametrize(
    ("encoder", "size"),
    [(CifarNet, (32, 32)), (CifarNet, (28, 20)), (SmallResNet, (30, 23)), (SimpleCNN, (28, 28))],
)
def test_some_decoder_serves_every_encoder(encoder, size):
    given = spec(size=size, channels=3)
    objective = AutoEncoder(given, encoder).eval()
    seen, rebuilt = objective.reconstruct(images(2, channels=3, size=size))
    assert seen.shape == rebuilt.shape == (2, 3, *size)


def test_cifar_nets_decoder_has_its_layers_in_reverse():
    encoder = CifarNet(in_channels=3, image_size=(32, 32), code_size=10)
    decoder = CifarNetDecoder(10, 3, (32, 32))

    def weights(module, transposed):
        kinds = (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)
        found = [m.weight.shape for m in module.modules() if isinstance(m, kinds)]
        # (out, in, ...) of a layer is (in, out, ...) of its mirror, as ConvTranspose2d stores it
        flipped = [s if len(s) == 4 else (s[1], s[0]) for s in map(tuple, found)]
        return flipped[::-1] if transposed else [tuple(s) for s in found]

    assert weights(encoder, False) == weights(decoder, True)
    assert decoder(torch.zeros(2, 10)).shape == (2, 3, 32, 32)
    with pytest.raises(UserError, match=r"multiples of 4 from 16 on, not \(30, 32\): bind Inputs"):
        CifarNetDecoder(10, 3, (30, 32))


def test_the_upsampling_decoder_cuts_what_the_doublings_overshoot():
    assert UpsamplingDecoder(5, 1, (11, 17), width=4)(torch.zeros(2, 5)).shape == (2, 1, 11, 17)


def test_the_code_layer_goes_on_as_the_classifier(tmp_path):
    torch.manual_seed(0)
    given = spec(size=(16, 16))
    objective = AutoEncoder(
        given, lambda **sizes: CifarNet(code_size=3, **sizes), None, CifarNetDecoder
    ).eval()
    path = tmp_path / "model.mdl"
    save_model(objective, path)
    shown = images(size=(16, 16))
    classifier = TransferNet(given, saved_model_path=str(path)).eval()
    assert isinstance(classifier.classifier, IdentityClassifier)
    torch.testing.assert_close(classifier.scores(shown), objective.embed(shown))
    # trained on, the former code layer moves
    before = classifier.encoder.code.weight.clone()
    loss, _ = classifier(batch(size=(16, 16)))
    loss.backward()
    torch.optim.SGD(classifier.parameters(), 0.1).step()
    assert not torch.equal(classifier.encoder.code.weight, before)
    other = TransferNet(spec((*CLASSES, "Ties"), (16, 16)), saved_model_path=str(path))
    assert isinstance(other.classifier, LinearClassifier)
