"""Images that show the same, as groups that a split must not part."""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from fewshot.batch import IntArray
from fewshot.data.audit.looks import Looks
from fewshot.data.audit.pairs import NearRule, exact_matches, near_pairs


def twin_groups(looks: Looks, rule: NearRule) -> IntArray:
    """int64 [N], of each image the first one of its group.

    A group holds all that is linked by pairs of equal or near images, however many links it takes.
    """
    count = len(looks.digests)
    matches = [*exact_matches(looks, None), *near_pairs(looks, None, rule)]
    rows = np.array([match.query for match in matches], dtype=np.int64)
    columns = np.array([match.reference for match in matches], dtype=np.int64)
    links = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    _, group = connected_components(links, directed=False)
    _, first = np.unique(group, return_index=True)
    return np.asarray(first[group], dtype=np.int64)
