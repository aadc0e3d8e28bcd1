import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.models.model_file import save_model
from fewshot.objectives.ensemble_net import EnsembleNet
from fewshot.objectives.transfer_net import TransferNet
from tests.objectives.toy import Pretext, ToyEncoder, batch, images, spec


def saved(tmp_path, name, objective):
    path = tmp_path / f"{name}.mdl"
    save_model(objective, path)
    return str(path)


def classifiers(tmp_path, n=3):
    nets = []
    for seed in range(n):
        torch.manual_seed(seed)
        nets.append(TransferNet(spec(), encoder=ToyEncoder).eval())
    return nets, [saved(tmp_path, str(i), net) for i, net in enumerate(nets)]


def test_scores_are_the_mean_probability(tmp_path):
    nets, paths = classifiers(tmp_path)
    ensemble = EnsembleNet(spec(), saved_model_path=paths).eval()
    expected = sum(net.scores(images()).softmax(1) for net in nets) / 3
    torch.testing.assert_close(ensemble.scores(images()).exp(), expected)
    assert ensemble.class_names == nets[0].class_names


def test_the_embedding_is_that_of_every_model(tmp_path):
    nets, paths = classifiers(tmp_path, 2)
    ensemble = EnsembleNet(spec(), saved_model_path=paths).eval()
    expected = torch.cat([F.normalize(net.embed(images())) for net in nets], dim=1)
    torch.testing.assert_close(ensemble.embed(images()), expected)


def test_it_knows_every_class_and_image_that_a_model_learned_from(tmp_path):
    nets, _ = classifiers(tmp_path, 2)
    nets[1].trained_classes = (*nets[1].trained_classes, "Ties")
    nets[1].inherited_images = np.array([7, -3])
    paths = [saved(tmp_path, name, net) for name, net in zip("ab", nets, strict=True)]
    ensemble = EnsembleNet(spec(), saved_model_path=paths)
    assert "Ties" in ensemble.trained_classes
    assert ensemble.inherited_images.tolist() == [-3, 7]


@pytest.mark.parametrize("given", [None, [], ["one.mdl"], "one.mdl"])
def test_fewer_than_two_models_are_refused(given):
    with pytest.raises(UserError, match=r"bind a list of two or more, e\.g\. EnsembleNet\.saved"):
        EnsembleNet(spec(), saved_model_path=given)


def test_models_that_do_not_go_together_are_refused(tmp_path):
    _, paths = classifiers(tmp_path, 1)
    other = TransferNet(spec(("Bags", "Ties")), encoder=ToyEncoder)
    both = [*paths, saved(tmp_path, "other", other)]
    with pytest.raises(
        UserError, match=r"models of different classes: '.*0\.mdl' of 3, '.*r\.mdl'"
    ):
        EnsembleNet(spec(), saved_model_path=both)
    pretext = saved(tmp_path, "pretext", Pretext(spec(), encoder=ToyEncoder))
    with pytest.raises(UserError, match="is a model of Pretext and has no classifier"):
        EnsembleNet(spec(), saved_model_path=[*paths, pretext])


def test_it_is_not_trained(tmp_path):
    _, paths = classifiers(tmp_path, 2)
    ensemble = EnsembleNet(spec(), saved_model_path=paths)
    assert not any(parameter.requires_grad for parameter in ensemble.parameters())
    with pytest.raises(UserError, match=r"bind main\.num_epochs = 0"):
        ensemble(batch())
