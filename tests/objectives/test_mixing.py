import pytest
import torch
from torch.nn import functional as F

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
