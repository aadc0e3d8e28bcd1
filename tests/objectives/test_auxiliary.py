import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from fewshot.batch import Column
from fewshot.errors import UserError
from fewshot.models.extras import add_extras
from fewshot.models.model_file import load_model, restore, save_model
from fewshot.objectives.mixing import CutMix, MixUp
from fewshot.objectives.transfer_net import TransferNet
from tests.objectives.toy import ToyEncoder, batch, images, spec

# rows 0 .. 29 of the training set; blank in every fifth
SEASON = Column(("Summer", "Winter"), np.where(np.arange(30) % 5 == 4, -1, np.arange(30) % 2))
SHELF = Column(("a", "b", "c"), np.arange(30) % 3)
ALIKE = Column(("Men",), np.zeros(30, dtype=np.int64))
COLUMNS = {"season": SEASON, "top.shelf": SHELF, "gender": ALIKE, "note": Column((), -SHELF.labels)}


def known_columns():
    return dataclasses.replace(spec(), column=COLUMNS.__getitem__)


def build(weights, **bindings):
    torch.manual_seed(0)
    return TransferNet(known_columns(), ToyEncoder, auxiliary=weights, **bindings)


def test_the_loss_is_the_weighted_sum_of_cross_entropies_over_rows_that_say_something():
    objective = build({"season": 0.5, "top.shelf": 2.0}).eval()
    given = batch(10)
    loss, logs = objective(given)
    features = objective.encoder(objective.inputs.normalise(given.images))
    scores = objective.column_scores_of(features)
    assert objective.columns == {"season": SEASON.class_names, "top.shelf": SHELF.class_names}
    season, shelf = (torch.from_numpy(c.labels)[given.rows] for c in (SEASON, SHELF))
    said = season >= 0
    expected = F.cross_entropy(objective.scores_of(features), given.labels)
    expected = expected + 0.5 * F.cross_entropy(scores["season"][said], season[said])
    expected = expected + 2.0 * F.cross_entropy(scores["top.shelf"], shelf)
    torch.testing.assert_close(loss, expected)
    right = (scores["season"].argmax(1) == season)[said].float().mean()
    torch.testing.assert_close(logs["top1_season"], right)


def test_a_batch_that_says_nothing_of_a_column_teaches_nothing_of_it():
    objective, plain = build({"season": 1.0}).eval(), build({}).eval()
    given = batch(1)
    blank = dataclasses.replace(given, rows=torch.tensor([4]))
    assert objective(blank)[0].item() == pytest.approx(plain(blank)[0].item(), rel=1e-5)


def test_labels_are_not_stored_and_classifiers_are(tmp_path):
    objective = build({"season": 1.0}).eval()
    save_model(objective, tmp_path / "model.mdl")
    add_extras(tmp_path / "model.mdl", {"columns": objective.columns})
    stored = load_model(tmp_path / "model.mdl")
    assert sorted(stored.rest) == [
        "auxiliary.linear.season.bias", "auxiliary.linear.season.weight",
    ]  # fmt: skip
    torch.manual_seed(9)
    path = str(tmp_path / "model.mdl")
    again = TransferNet(known_columns(), saved_model_path=path, auxiliary={"season": 1.0}).eval()
    other = TransferNet(known_columns(), ToyEncoder, auxiliary={"season": 1.0}).eval()
    restore(other, stored)
    expected = objective.column_scores_of(objective.embed(images()))["season"]
    for objective in (again, other):
        found = objective.column_scores_of(objective.embed(images()))["season"]
        torch.testing.assert_close(found, expected)


def test_a_saved_model_without_the_column_gets_a_new_classifier(tmp_path, caplog):
    save_model(build({"season": 1.0}), tmp_path / "model.mdl")
    path = str(tmp_path / "model.mdl")
    with caplog.at_level("INFO", "fewshot"):
        TransferNet(known_columns(), saved_model_path=path, auxiliary={"top.shelf": 1.0})
    assert "new classifier of column 'top.shelf'" in caplog.text


def test_a_column_whose_classes_are_others_gets_a_new_classifier(tmp_path, caplog):
    path = tmp_path / "model.mdl"
    save_model(build({"season": 1.0}), path)
    add_extras(path, {"columns": {"season": ("Autumn", "Spring")}})
    with caplog.at_level("INFO", "fewshot"):
        TransferNet(known_columns(), saved_model_path=str(path), auxiliary={"season": 1.0})
    assert "new classifier of column 'season'" in caplog.text


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"season": 0.0}, "'season' has the weight 0.0: bind a number above 0"),
        ({"gender": 1.0}, "'gender' says only 'Men' in the training rows"),
        ({"note": 1.0}, "'note' says nothing in the training rows"),
    ],
)
def test_what_teaches_nothing_is_refused(weights, message):
    with pytest.raises(UserError, match=message):
        build(weights)


@pytest.mark.parametrize("mixing", [CutMix, MixUp])
def test_further_columns_are_mixed_as_the_images_are(mixing):
    objective = build({"season": 0.5, "top.shelf": 2.0}, mix=mixing).eval()
    given = batch(10)
    torch.manual_seed(4)
    loss, _ = objective(given)
    torch.manual_seed(4)
    seen = objective.inputs.normalise(given.images)
    seen, types = objective.mix(seen, given.labels)
    share = float(types[1, given.labels[1]])  # the image before it is of another type
    features = objective.encoder(seen)
    scores = objective.column_scores_of(features)
    expected = F.cross_entropy(objective.scores_of(features), types)
    for name, column, weight in (("season", SEASON, 0.5), ("top.shelf", SHELF, 2.0)):
        labels = torch.from_numpy(column.labels)[given.rows]
        losses = [
            part * F.cross_entropy(scores[name], other, ignore_index=-1, reduction="sum")
            for part, other in ((share, labels), (1 - share, labels.roll(1)))
        ]
        expected = expected + weight * sum(losses) / (labels >= 0).sum()
    torch.testing.assert_close(loss, expected)


def test_a_mix_of_ones_own_would_leave_further_columns_as_they_are():
    def mix(images, labels):
        return images, labels

    with pytest.raises(UserError, match=r"label columns \(season\).*bind @CutMix or @MixUp"):
        build({"season": 1.0}, mix=lambda num_classes: mix)


def test_data_that_are_no_table_have_no_columns():
    with pytest.raises(UserError, match="'season' needs training rows from a CSV"):
        TransferNet(spec(), ToyEncoder, auxiliary={"season": 1.0})
