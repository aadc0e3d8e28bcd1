"""Single runs of a label-budget study that no run was needed for."""

import numpy as np
import pandas as pd

from fewshot.studies.paired_differences import TRAINED

LABELS = {"1": 1.0, "10": 10.0, "100": 100.0}


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
