"""Five new article types added to a model from five photos each: who is recognised afterwards.

python -m benchmarks.added_classes MODEL TEST_CSV ROOT [--draws 20] [--known 3000]

MODEL is of a finished run with a classifier. TEST_CSV has types it knows, of which --known rows are
drawn, and others, of which each draw takes five with 45 images or more: five photos are added as
`python -m fewshot add` adds them, 40 others are asked for. Prints means over the draws with their
95 % interval: the accuracy on known types before and after, their share taken for an added one, the
accuracy on the added types among all classes and among the five, and what SimpleShot has among the
five, as few-shot evaluation computes it.
"""

import argparse

import numpy as np
import torch

from fewshot.data.dataset import FashionDataset
from fewshot.evaluation.inference import embed
from fewshot.evaluation.intervals import over_episodes
from fewshot.evaluation.outputs import EvaluatedSplit
from fewshot.heads.prototypes import simple_shot
from fewshot.models.prediction.beside import Beside
from fewshot.models.prediction.predictor import load
from fewshot.models.references import Added

TYPES, SHOTS, ASKED = 5, 5, 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("model", "test_csv", "root"):
        parser.add_argument(name)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--known", type=int, default=3000)
    given = parser.parse_args()
    model = load(given.model)
    size = model.image_format.size
    data = FashionDataset(given.test_csv, given.root, importer=None, image_size=size, channels=3)
    split = EvaluatedSplit(model.module, data)
    place = {name: i for i, name in enumerate(model.class_names)}
    truth = np.array([place.get(name, -1) for name in data.class_names])[data.labels]
    rows = np.random.default_rng(0).choice(np.flatnonzero(truth >= 0), given.known, replace=False)
    known = embed(model.module, split, rows=np.sort(rows)), torch.from_numpy(truth[np.sort(rows)])
    counts = np.bincount(data.labels, minlength=len(data.class_names))
    new = [i for i, n in enumerate(data.class_names) if n not in place and counts[i] >= 45]
    print(f"{len(place)} known types, {len(new)} new ones, {given.draws} draws")
    before = float((_own(model, known[0]).argmax(1) == known[1]).double().mean())
    found = [one_draw(model, split, new, known, seed) for seed in range(given.draws)]
    print(f"known types before: {before:.4f}")
    for name in found[0]:
        figure = over_episodes(np.array([draw[name] for draw in found]))
        print(f"{name}: {figure['mean']:.4f} +- {figure['ci95']:.4f}")


def one_draw(model, split, new, known, seed):
    """{figure: share} of one draw of types and photos."""
    random = np.random.default_rng(100 + seed)
    types = random.choice(new, TYPES, replace=False)
    drawn = [random.permutation(np.flatnonzero(split.labels == label)) for label in types]
    shots = np.concatenate([rows[:SHOTS] for rows in drawn])
    asked = np.concatenate([rows[SHOTS : SHOTS + ASKED] for rows in drawn])
    support, query = (embed(model.module, split, rows=rows) for rows in (shots, asked))
    labels, truth = (torch.arange(TYPES).repeat_interleave(n) for n in (SHOTS, ASKED))
    names = tuple(split.class_names[i] for i in types)
    beside = Beside(model.extras.prototypes, Added(names, support, labels))
    own = len(model.class_names)
    answers = [_all(model, beside, part).argmax(1) for part in (known[0], query)]
    simple = simple_shot(support, labels, query, TYPES, model.extras.prototypes.mean).argmax(1)
    return {
        "known types after": _share(answers[0] == known[1]),
        "known types taken for an added one": _share(answers[0] >= own),
        "added types among all": _share(answers[1] == own + truth),
        "added types among the five": _share(beside.shares(query).argmax(1) == truth),
        "SimpleShot among the five": _share(simple == truth),
    }


def _share(right):
    return float(right.double().mean())


def _own(model, features):
    with torch.inference_mode():
        return model.module.scores_of(features).double().softmax(1)


def _all(model, beside, features):
    added = beside.shares(features)
    return torch.cat([(1 - added.sum(1, keepdim=True)) * _own(model, features), added], 1)


if __name__ == "__main__":
    main()
