"""Five pictures each of two new article types beside 200 each of two known ones: who is recognised.

python -m benchmarks.lopsided_gallery MODEL TRAIN_CSV TEST_CSV ROOT [--draws 10]

MODEL was trained on TRAIN_CSV. Each draw takes two types it knows and two it does not from
TEST_CSV, whose images it never saw: 200 pictures of either known type and 5 of either new one are
the gallery, 50 others of each type are asked for. Prints, for each head and for the one that
cross-validation of the gallery chooses, the accuracy on both kinds of types: mean over the draws
with its 95 % interval.
"""

import argparse

import numpy as np
import pandas as pd
import torch

from fewshot.data.dataset import FashionDataset
from fewshot.evaluation.gallery import Gallery
from fewshot.evaluation.head_choice import choose_head
from fewshot.evaluation.inference import embed
from fewshot.evaluation.intervals import over_episodes
from fewshot.heads.knn import KNN
from fewshot.heads.logistic_regression import LogisticRegression
from fewshot.heads.prototypes import NearestPrototype
from fewshot.models.load import load

SHOTS, ASKED = (200, 200, 5, 5), 50
HEADS = {
    "logistic regression": LogisticRegression(),
    "logistic regression, class_balanced": LogisticRegression(class_balanced=True),
    "nearest prototype": NearestPrototype(),
    "k-NN (k = 5), class_balanced": KNN(class_balanced=True),
}
CHOICE = ("logistic regression, class_balanced", "nearest prototype")  # five_pictures.gin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name in ("model", "train_csv", "test_csv", "root"):
        parser.add_argument(name)
    parser.add_argument("--draws", type=int, default=10)
    given = parser.parse_args()
    model = load(given.model)
    data = FashionDataset(
        given.test_csv, given.root, importer=None, image_size=model.image_size, channels=3
    )
    known = set(pd.read_csv(given.train_csv, usecols=["articleType"])["articleType"])
    counts = np.bincount(data.labels, minlength=len(data.class_names))
    old = [i for i, n in enumerate(data.class_names) if n in known and counts[i] >= 250]
    new = [i for i, n in enumerate(data.class_names) if n not in known and counts[i] >= 55]
    print(f"{len(old)} known types, {len(new)} new ones; {given.draws} draws")
    found = [one_draw(model, data, old, new, seed) for seed in range(given.draws)]
    for name in found[0]:
        for kind in ("new", "known"):
            figure = over_episodes(np.array([draw[name][kind] for draw in found]))
            print(f"{name}, {kind} types: {figure['mean']:.4f} +- {figure['ci95']:.4f}")
    chosen = pd.Series([draw["chosen"]["name"] for draw in found]).value_counts()
    print("chosen:", chosen.to_dict())


def one_draw(model, data, old, new, seed):
    """{head: {"new", "known": accuracy}}, "chosen" being the one that the gallery chooses."""
    random = np.random.default_rng(seed)
    classes = [*random.choice(old, 2, replace=False), *random.choice(new, 2, replace=False)]
    gallery_rows, asked_rows = [], []
    for label, shots in zip(classes, SHOTS, strict=True):
        rows = random.permutation(np.flatnonzero(data.labels == label))[: shots + ASKED]
        gallery_rows.append(rows[:shots])
        asked_rows.append(rows[shots:])
    support = embed(model, data, rows=np.concatenate(gallery_rows))
    query = embed(model, data, rows=np.concatenate(asked_rows))
    labels = torch.arange(4).repeat_interleave(torch.tensor(SHOTS))
    truth = torch.arange(4).repeat_interleave(ASKED)
    found = {}
    for name, head in HEADS.items():
        right = (head(support, labels, query, 4).argmax(1) == truth).double()
        old_part, new_part = right.split([2 * ASKED, 2 * ASKED])
        found[name] = {"new": float(new_part.mean()), "known": float(old_part.mean())}
    gallery = Gallery(support, labels, tuple(data.class_names[i] for i in classes))
    _, sections = choose_head({name: HEADS[name] for name in CHOICE}, gallery)
    table = sections[0].blocks[0].frame
    best = table["head"][int(table["mean_class_top1"].argmax())]
    return {**found, "chosen": {**found[best], "name": best}}


if __name__ == "__main__":
    main()
