"""A model file predicts a run's test photos as the run did, for every way of classifying."""

import gin
import numpy as np
import pytest
from scipy.special import softmax

import fewshot
from fewshot.binding.registrations import register_all
from fewshot.models.prediction.photos import Photos
from fewshot.objectives.objective import Objective
from fewshot.spreadsheet import read_csv
from tests.test_main import SMALL, run

SHORT = ["main.num_epochs = 1", "main.select_by = 'last'", "main.validation_fraction = 0.0"]
EPISODES = ["n_way = 3", "n_shot = 2", "n_query = 3", "Episodes.episodes_per_epoch = 4"]
HEADS = ["main.evaluators = [@GalleryClassification]", "GalleryClassification.head = %one_head"]
RUNS = {
    "classifier": ("transfer", []),
    "mirrored": ("transfer", ["Classification.mirrored = True", "Classification.shift = 1"]),
    "nearest": ("triplet", ["KNNClassification.k = 3", "main.evaluators = [@KNNClassification]"]),
    "regression": ("triplet", [*HEADS, "one_head = @LogisticRegression"]),
    "prototypes": ("few_shot/prototypical", [*EPISODES, *HEADS, "one_head = @NearestPrototype"]),
    "attention": ("few_shot/matching", [*EPISODES, *HEADS, "one_head = @MatchingAttention"]),
    "pretext": ("rotation", ["KNNClassification.prefix = ''", "KNNClassification.k = 3"]),
    "two views": ("simclr", ["KNNClassification.prefix = ''", "KNNClassification.k = 3"]),
    "momentum teacher": ("byol", ["KNNClassification.prefix = ''", "KNNClassification.k = 3"]),
}


@pytest.mark.usefixtures("unpictured")
@pytest.mark.parametrize("name", RUNS)
def test_the_file_alone_predicts_as_the_run_did(shop, tmp_path, name):
    config, bindings = RUNS[name]
    small = [line for line in SMALL if not line.startswith("main.")]
    folder = run(
        tmp_path, name, [f"configs/{config}.gin"], [*shop.bindings(), *small, *SHORT, *bindings]
    )
    expected = read_csv(folder / "predictions.csv", texts=("id",))
    gin.clear_config()
    model = fewshot.load(folder / "model.mdl")
    found = model.predict([shop.root / "images" / f"{i}.jpg" for i in expected["id"]])

    assert len(found) == 24
    assert found["error"].isna().all()
    columns = [f"class_{i}" for i in (1, 2, 3)]
    assert found[columns].to_numpy().tolist() == expected[columns].to_numpy().tolist()
    assert found["answer"].tolist() == expected["class_1"].tolist()
    scores = found[["score_1", "score_2", "score_3"]].to_numpy()
    theirs = expected[["score_1", "score_2", "score_3"]].to_numpy()
    if "KNN" in str(model.extras.gallery.head):
        np.testing.assert_allclose(scores, theirs, atol=1e-6)
    else:
        np.testing.assert_allclose(scores, softmax(theirs, axis=1), atol=1e-5)

    photos = Photos([shop.root / "images" / "trainHats3.jpg"])
    (alone,) = model.predictions(photos, neighbours=2)
    assert (alone.neighbours[0].id, alone.neighbours[0].class_name) == ("trainHats3", "Hats")
    assert alone.neighbours[0].similarity == pytest.approx(1, abs=1e-3)


def test_no_other_objective_scores_or_embeds_in_a_way_of_its_own():
    register_all()
    ours = [
        kind
        for kind in Objective.__subclasses__()
        + [deeper for kind in Objective.__subclasses__() for deeper in kind.__subclasses__()]
        if kind.__module__.startswith("fewshot.")
    ]
    assert len(ours) > 7
    assert {kind.__name__ for kind in ours if hasattr(kind, "scores")} == {"TransferNet"}
    assert {kind for kind in ours if kind.embed is not Objective.embed} == set()
