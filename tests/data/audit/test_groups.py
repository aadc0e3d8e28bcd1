import numpy as np
import pytest

from fewshot.data.audit.groups import twin_groups
from fewshot.data.audit.looks import Looks, difference_hash, frequency_hash
from fewshot.data.audit.pairs import NearRule, near_matches, near_pairs


def looks_of(thumbnails):
    grey = thumbnails[:, ::4, ::4].mean(3)[:, :, :8]
    nine = np.concatenate([grey, grey[:, :, :1]], axis=2)
    digests = np.array([hash(image.tobytes()) % 2**63 for image in thumbnails], np.uint64)
    return Looks(digests, difference_hash(nine), frequency_hash(thumbnails.mean(3)), thumbnails)


@pytest.mark.parametrize("seed", range(3))
def test_groups_are_what_any_chain_of_pairs_links(seed):
    rng = np.random.default_rng(seed)
    base = rng.integers(40, 216, (4, 4, 4, 3)).repeat(8, 1).repeat(8, 2)
    steps = np.arange(6)[:, None, None, None] * rng.choice([-3, 3], (1, 32, 32, 3))
    images = np.concatenate([base, base[:1] + steps, base[1:2]])
    looks = looks_of(images[rng.permutation(len(images))].astype(np.uint8))
    rule = NearRule(bits=20, frequency_bits=30, distance=0.12)
    count = len(images)
    linked = np.eye(count, dtype=bool)
    for match in near_pairs(looks, None, rule):
        linked[match.query, match.reference] = linked[match.reference, match.query] = True
    linked |= looks.digests[:, None] == looks.digests
    for _ in range(count):  # the closure, by brute force
        linked = linked @ linked
    assert twin_groups(looks, rule).tolist() == linked.argmax(1).tolist()
    assert len(set(twin_groups(looks, rule).tolist())) < count
    nearest = {match.query: match.distance for match in near_matches(looks, None, rule)}
    for match in near_pairs(looks, None, rule):
        assert nearest[match.query] <= match.distance
