"""Single runs of a label-budget study that no run was needed for."""

import numpy as np
import pandas as pd

from fewshot.studies.paired_differences import TRAINED

LABELS = {"1": 1.0, "10": 10.0, "100": 100.0}
MORE_LABELS = {"1": 1.0, "2": 2.0, "5": 5.0, "10": 10.0, "20": 20.0, "100": 100.0, "all": 6000.0}
CURVE = np.array([0.35, 0.48, 0.6, 0.7, 0.73, 0.78, 0.89])
METHODS = ["rotation", "autoencoder", "simclr", "vicreg", "byol", "exemplar"]


def single_runs(labels=None, **methods):
    """{method: {way: array of [seeds, budgets]}} as a row a run; nan: a run that there is not."""
    rows = [
        {"method": method, "way": way, "budget": budget, "seed": seed, "labels": count}
        | {"top1": values[seed][place]}
        for method, ways in methods.items()
        for way, values in ways.items()
        for seed in range(len(values))
        for place, (budget, count) in enumerate((labels or LABELS).items())
        if not np.isnan(values[seed][place])
    ]
    return pd.DataFrame(rows)


def rotation_and_scratch():
    rng = np.random.default_rng(0)
    base = np.array([0.3, 0.6, 0.8]) + rng.normal(0, 0.02, (5, 3))
    better = base + np.array([0.1, 0.06, 0.01]) + rng.normal(0, 0.01, (5, 3))
    return single_runs(scratch={TRAINED: base}, rotation={TRAINED: better, "k-NN": better - 0.2})


def whole_study(seeds=5):
    """Six methods beside scratch, three heads, seven budgets."""
    rng = np.random.default_rng(2)
    base = CURVE + rng.normal(0, 0.02, (seeds, 7))

    def near(shift):
        return base + shift + rng.normal(0, 0.01, (seeds, 7))

    heads = ("linear probe", "k-NN", "nearest prototype")
    of = {
        name: {TRAINED: near(0.01 * place), **{head: near(-0.05) for head in heads}}
        for place, name in enumerate(METHODS)
    }
    return single_runs(
        MORE_LABELS, scratch={TRAINED: base, **{head: near(-0.1) for head in heads}}, **of
    )
