from functools import partial

import pytest
import torch
from torch.nn import functional as F
from torchvision.transforms import v2

from fewshot.errors import UserError
from fewshot.objectives.mixing import CutMix, MixUp
from fewshot.objectives.transfer_net import TransferNet
from tests.objectives.toy import ToyEncoder, batch, images, spec


def test_mixup_is_the_blend_of_images_and_of_labels():
    objective = TransferNet(spec(), ToyEncoder, mix=MixUp).eval()
    torch.manual_seed(11)
    loss, _ = objective(batch())
    torch.manual_seed(11)
    share = float(torch._sample_dirichlet(torch.tensor([1.0, 1.0]))[0])
    seen = objective.inputs.normalise(images())
    blended = share * seen + (1 - share) * seen.roll(1, 0)
    one_hot = F.one_hot(batch().labels, 3)
    labels = share * one_hot + (1 - share) * one_hot.roll(1, 0)
    scores = objective.classifier(objective.encoder(blended))
    torch.testing.assert_close(loss, -(labels * scores.log_softmax(1)).sum(1).mean())


def test_cutmix_labels_are_the_shares_of_the_pixels():
    objective = TransferNet(spec(), ToyEncoder, mix=CutMix).eval()
    torch.manual_seed(4)
    loss, logs = objective(batch())
    torch.manual_seed(4)
    seen = objective.inputs.normalise(images())
    mixed, _ = objective.mix(seen, batch().labels)
    kept = (mixed == seen).all(1).float().mean((1, 2))[0]
    assert 0 < kept < 1
    one_hot = F.one_hot(batch().labels, 3)
    labels = kept * one_hot + (1 - kept) * one_hot.roll(1, 0)
    scores = objective.classifier(objective.encoder(mixed))
    torch.testing.assert_close(loss, -(labels * scores.log_softmax(1)).sum(1).mean())
    assert logs["top1"] == (scores.argmax(1) == labels.argmax(1)).float().mean()


@pytest.mark.parametrize("mixing", [MixUp, CutMix])
def test_mixing_leaves_batches_alone_as_often_as_bound(mixing):
    seen, labels = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 0])
    mix = mixing(num_classes=3, probability=0.25)
    torch.manual_seed(0)
    mixed = [mix(seen, labels)[1].ndim == 2 for _ in range(400)]
    assert 0.18 < sum(mixed) / 400 < 0.32
    with pytest.raises(UserError, match=rf"{mixing.__name__}\.alpha is 0 and probability 1"):
        mixing(num_classes=3, alpha=0)


@pytest.mark.parametrize("mixing", [MixUp, CutMix])
def test_mixtures_are_torchvisions_bit_for_bit(mixing):
    seen = torch.randn(5, 3, 9, 14).to(memory_format=torch.channels_last)
    labels = torch.tensor([0, 3, 1, 2, 2])
    theirs = getattr(v2, mixing.__name__)(alpha=0.7, num_classes=4)
    for seed in range(20):
        torch.manual_seed(seed)
        expected = theirs(seen, labels)
        torch.manual_seed(seed)
        mixed = mixing(num_classes=4, alpha=0.7)(seen, labels)
        assert all(torch.equal(one, other) for one, other in zip(mixed, expected, strict=True))


@pytest.mark.parametrize("mixing", [MixUp, CutMix])
def test_what_is_drawn_before_a_step_is_what_would_be_drawn_in_it(mixing):
    one, two = (
        TransferNet(spec(), ToyEncoder, mix=partial(mixing, probability=0.5)).eval()
        for _ in range(2)
    )
    two.load_state_dict(one.state_dict())
    apart = set()
    for seed in range(12):
        torch.manual_seed(seed)
        expected = one(batch())[0]
        torch.manual_seed(seed)
        two.before_step(seed, 12)
        apart.add(two.step_is_apart())
        torch.rand(3)
        assert torch.equal(two(batch())[0], expected)
        two.after_step()
        torch.manual_seed(seed)
        assert torch.equal(two(batch())[0], expected)  # which drew for itself again
        assert not one.step_is_apart()
    assert apart == {True, False}


def test_a_mix_of_ones_own_is_called_as_it_is():
    def mix(images, labels):
        return images.flip(0), labels.roll(1)

    torch.manual_seed(0)
    objective = TransferNet(spec(), ToyEncoder, mix=lambda num_classes: mix).eval()
    objective.before_step(0, 1)
    assert not objective.step_is_apart()
    loss, _ = objective(batch())
    objective.after_step()
    scores = objective.classifier(objective.encoder(objective.inputs.normalise(images())))
    labels = batch().labels
    torch.testing.assert_close(loss, F.cross_entropy(scores.flip(0), labels.roll(1)))
    assert abs(loss - F.cross_entropy(scores, labels)) > 1e-3
