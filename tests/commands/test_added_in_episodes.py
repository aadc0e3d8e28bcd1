"""The command adds classes that are told apart exactly as few-shot evaluation tells them."""

import numpy as np
from PIL import Image

import fewshot
import fewshot.__main__ as door
from fewshot.evaluation.few_shot import FewShotEvaluation
from fewshot.evaluation.novel import novel_images
from fewshot.evaluation.novel_episodes import NovelEpisodes
from fewshot.heads.prototypes import SimpleShot
from tests.evaluation.fakes import FakeDataset
from tests.models.known_model import SIZE, little_run
from tests.objectives.toy import images

NAMES = ("Belts", "Caps", "Ties", "Vests")


def novel_rows():
    """Twelve noisy images of each of four classes, which differ in brightness."""
    pixels = images(48, 3, SIZE, seed=5).numpy() // 2 + np.repeat([0, 3, 6, 9], 12)[
        :, None, None, None
    ].astype(np.uint8)
    return FakeDataset(pixels, [name for name in NAMES for _ in range(12)], first_id=1000)


def test_the_accuracy_on_new_classes_is_that_of_few_shot_evaluation(model_path, tmp_path):
    (objective, train), novel = little_run(), novel_rows()
    episodes = NovelEpisodes(n_way="all", n_shot=5, n_query=7, n_episodes=2)
    evaluation = FewShotEvaluation(lambda **_: novel, [SimpleShot], lambda: episodes)
    told = evaluation(objective, {"train": train}).metrics["novel"]["inductive"]
    pool = novel_images(novel, "novel", objective, train).pool
    drawn = episodes.drawn(pool, episodes.settings(4)[0])
    accuracies = [
        added_and_predicted(model_path, tmp_path / str(i), novel, *rows)
        for i, rows in enumerate(zip(drawn.support.numpy(), drawn.query.numpy(), strict=True))
    ]
    assert np.mean(accuracies) == told["4way_5shot"]["SimpleShot"]["mean"]
    assert 0.3 < np.mean(accuracies) < 1


def added_and_predicted(model_path, folder, novel, support, query):
    """Photos written, added by the command, held-out ones predicted: the accuracy among the new."""
    names = np.array(novel.class_names)[novel.labels]
    written = {}
    for row in (*support, *query):
        kind = "new" if row in support else "held out"
        written[row] = folder / kind / names[row] / f"{row}.png"
        written[row].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(novel.images([row])[0].numpy().transpose(1, 2, 0)).save(written[row])
    out = folder / "richer.mdl"
    assert door.main(["add", str(model_path), str(folder / "new"), str(out)]) == 0
    model = fewshot.load(out)
    assert model.added == NAMES
    table = model.predict([written[row] for row in query])
    scores = table.filter(regex="^score").to_numpy()
    classes = table.filter(regex="^class").to_numpy()
    # of the five likeliest of seven classes, the first that was added
    rank = np.where(np.isin(classes, NAMES), scores, -1).argmax(1)
    return (classes[np.arange(len(query)), rank] == names[query]).mean()
