import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.heads import in_bfloat16, screening
from fewshot.heads import nearest as nearest_module
from fewshot.heads.in_bfloat16 import InBfloat16
from fewshot.heads.knn import KNN, knn
from fewshot.heads.nearest_in_episodes import search_episodes
from fewshot.heads.room import Room
from fewshot.heads.screening import Screen


def data(n=300, m=40, d=8, classes=6, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    support = torch.randn(n, d, generator=generator, dtype=dtype)
    query = torch.randn(m, d, generator=generator, dtype=dtype)
    labels = torch.randint(0, classes, (n,), generator=generator)
    return support, labels, query


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 5, 30])
def test_equals_scikit_learn(weights, metric, k):
    support, labels, query = data(dtype=torch.float64)
    reference = KNeighborsClassifier(k, weights=weights, metric=metric, algorithm="brute")
    reference.fit(support.numpy(), labels.numpy())
    expected = reference.predict_proba(query.numpy())
    found = knn(support, labels, query, 6, k, weights, metric)
    np.testing.assert_allclose(found, expected, atol=1e-7)
    decided = np.sort(expected, 1)[:, -1] > np.sort(expected, 1)[:, -2] + 1e-9
    agreement = found.argmax(1).numpy() == reference.predict(query.numpy())
    assert decided.sum() > 10
    assert agreement[decided].all()


def by_definition(support, labels, query, n_classes, k):
    """Votes, then the nearest reference of the class, as a list of classes for each query."""
    order = []
    for point in query:
        distances = (support - point).norm(dim=1)
        neighbours = distances.argsort()[:k]
        votes = [int((labels[neighbours] == c).sum()) for c in range(n_classes)]
        nearest = [float(distances[labels == c].min()) for c in range(n_classes)]
        order.append(sorted(range(n_classes), key=lambda c: (-votes[c], nearest[c])))
    return order


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 7), st.integers(1, 9))
def test_ranks_all_classes_whatever_the_chunks(seed, k, query_chunk, reference_chunk):
    support, labels, query = data(40, 9, 3, 5, seed, torch.float64)
    labels[:5] = torch.arange(5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_module, "_QUERY_CHUNK", query_chunk)
        patch.setattr(nearest_module, "_BLOCK", reference_chunk * max(query_chunk, 3))
        found = knn(support, labels, query, 5, k)
    expected = by_definition(support, labels, query, 5, k)
    assert found.argsort(dim=1, descending=True).tolist() == expected


class OnAGPU(screening.Screen):
    """What is done for all classes at once there."""

    def __init__(self, *given):
        super().__init__(*given)
        self.by_class = False


def always_in_bfloat16(patch):
    """Whatever the processor and the data, and however many pairs are left."""
    patch.setattr(nearest_module, "worth_trying", lambda *_: True)
    patch.setattr(nearest_module, "_PRODUCTS", 1e-9)
    patch.setattr(nearest_module, "_TRIED", 1)


def by_brute_force(support, labels, query, n_classes, k, metric):
    """Votes, then nearest, then lowest row: distances in float64, compared in float32."""
    support, query = (part.double().numpy() for part in (support, query))
    if metric == "cosine":
        support, query = (
            part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
            for part in (support, query)
        )
    rankings = []
    for point in query:
        squared = ((point - support) ** 2).sum(1).astype(np.float32)
        order = np.lexsort((np.arange(len(support)), squared)).tolist()
        votes = np.bincount(labels[order[:k]], minlength=n_classes)
        first = {
            c: next(i for i, row in enumerate(order) if labels[row] == c) for c in range(n_classes)
        }
        rankings.append(sorted(range(n_classes), key=lambda c: (-votes[c], first[c])))
    return rankings


def drawn(generator, below, n):
    return torch.randint(below, (n,), generator=generator)


TIES = {
    # many rows equally far, few of them twins
    "integers": lambda g, n, d: torch.randint(-1, 2, (n, d), generator=g).float(),
    "duplicates": lambda g, n, d: torch.randn(5, d, generator=g)[drawn(g, 5, n)],
    "all equal": lambda g, n, d: torch.randn(1, d, generator=g).expand(n, d).clone(),
    "zeros": lambda g, n, d: torch.zeros(n, d),
    "far away": lambda g, n, d: torch.randint(0, 3, (n, d), generator=g).float() + 4096,
    # farther from their centre than from each other
    "heaps": lambda g, n, d: (
        torch.randn(3, d, generator=g)[drawn(g, 3, n)] + 2.0**-12 * drawn(g, 4, n)[:, None]
    ),
    "zeros among others": lambda g, n, d: (
        torch.randn(n, d, generator=g) * (drawn(g, 10, n) > 2)[:, None]
    ),
    "multiples": lambda g, n, d: (1 + drawn(g, 8, n))[:, None] * torch.eye(d)[drawn(g, d, n)],
}


# queries that are much longer than the references, so that products lose these
FAR_QUERIES = {
    "far queries": lambda g, n, d: 4096 * torch.randint(-1, 2, (n, d), generator=g).float(),
    "queries far and wide": lambda g, n, d: (4096 * torch.randn(n, d, generator=g)).round(),
    "queries moved away": lambda g, n, d: (
        torch.randint(1000, 10_000, (n, 1), generator=g) + torch.randn(n, d, generator=g)
    ),
}
TIES |= dict.fromkeys(FAR_QUERIES, TIES["integers"])


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@settings(max_examples=6)
@given(
    seed=st.integers(0, 10_000),
    k=st.sampled_from([1, 3, 5, 20]),
    sizes=st.tuples(st.integers(1, 40), st.integers(1, 60)),
    group=st.sampled_from([1, 2, 4, 16]),
    pairs=st.sampled_from([1, 50, 10**6]),
    on_a_gpu=st.booleans(),
    rounded=st.booleans(),
)
def test_the_rule_holds_among_any_ties_and_blocks(
    ties, metric, seed, k, sizes, group, pairs, on_a_gpu, rounded
):
    generator = torch.Generator().manual_seed(seed)
    support = TIES[ties](generator, 60, 6)
    query = FAR_QUERIES.get(ties, TIES[ties])(generator, 11, 6)
    labels = torch.cat([torch.arange(5), torch.randint(5, (55,), generator=generator)])
    query = torch.cat([query, support[:4]])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_module, "_QUERY_CHUNK", sizes[0])
        patch.setattr(nearest_module, "_BLOCK", sizes[1] * max(sizes[0], 6))
        patch.setattr(nearest_module, "_QUERIES", 2 * sizes[0])
        patch.setattr(nearest_module, "_PAIRS", pairs)
        if rounded:
            always_in_bfloat16(patch)
        patch.setattr(screening, "group_size", lambda *_: group)
        if on_a_gpu:
            patch.setattr(nearest_module, "Screen", OnAGPU)
        found = knn(support, labels, query, 5, k, metric=metric)
    expected = by_brute_force(support, labels, query, 5, k, metric)
    assert found.argsort(dim=1, descending=True).tolist() == expected
    together = knn(support[None], labels[None], query[None], 5, k, metric=metric)[0]
    assert together.argsort(dim=1, descending=True).tolist() == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@settings(max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    away=st.sampled_from([0, 1000, 3001, 9999]),
    width=st.sampled_from([1, 3, 64]),
    whole_numbers=st.booleans(),
)
def test_episodes_find_what_one_search_finds_bit_for_bit(dtype, seed, away, width, whole_numbers):
    """Among them distances halfway between two float32s, which a root and a square move."""
    generator = torch.Generator().manual_seed(seed)
    support, query = (torch.randn(n, width, generator=generator, dtype=dtype) for n in (30, 8))
    if whole_numbers:
        support, query = (2 * support).round(), (2 * query).round()
    query = query + away
    labels = torch.arange(30) % 4
    expected = nearest_module.search(support, labels, query, 4, 7, "euclidean")
    found = search_episodes(support[None], labels[None], query[None], 4, 7, "euclidean")
    for name in ("squared", "rows", "of_class", "class_row"):
        assert torch.equal(getattr(found, name)[0], getattr(expected, name))


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("rounded", [False, True])
def test_the_nearest_of_each_class_is_exact_however_products_are_rounded(
    ties, metric, rounded, monkeypatch
):
    if rounded:
        always_in_bfloat16(monkeypatch)
    generator = torch.Generator().manual_seed(0)
    support = TIES[ties](generator, 100, 6)
    query = FAR_QUERIES.get(ties, TIES[ties])(generator, 100, 6)
    labels = torch.arange(100) % 5
    found = nearest_module.search(support, labels, query, 5, 3, metric)
    a, b = query.double(), support.double()
    if metric == "cosine":
        a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    squared = (a[:, None] - b).square().sum(2).float()
    nearest = torch.stack([squared[:, labels == c].amin(1) for c in range(5)], 1)
    torch.testing.assert_close(found.of_class, nearest, rtol=1e-7, atol=0)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), rows=st.integers(3, 200), rounded=st.booleans())
def test_of_many_classes_the_first_ranks_are_exact(seed, rows, rounded):
    generator = torch.Generator().manual_seed(seed)
    support, query = (torch.randint(-1, 2, (n, 8), generator=generator).float() for n in (200, 9))
    labels = torch.cat([torch.arange(60), torch.randint(60, (140,), generator=generator)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest_module, "_BLOCK", rows * nearest_module._QUERY_CHUNK)
        if rounded:
            always_in_bfloat16(patch)
        found = knn(support, labels, query, 60, 5)
    expected = [
        ranking[:5] for ranking in by_brute_force(support, labels, query, 60, 5, "euclidean")
    ]
    assert found.argsort(dim=1, descending=True)[:, :5].tolist() == expected


@pytest.mark.parametrize(
    ("free", "size", "numbers"),
    [(80 * 2**30, 4, 2**29), (2**30, 4, 2**23), (2**30, 8, 2**22), (0, 4, 2**22)],
)
def test_on_a_gpu_a_block_takes_a_part_of_the_free_memory(monkeypatch, free, size, numbers):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 2 * free))
    features = SimpleNamespace(is_cuda=True, device="cuda", element_size=lambda: size)
    assert Room(2**22, 1024).of(features) == (numbers, 4096)
    assert Room(2**22, 1024).of(torch.zeros(1)) == (2**22, 1024)


SPREAD = {
    "wide": (lambda g, n: torch.randn(n, 32, generator=g), True),
    "heavy tails": (lambda g, n: torch.randn(n, 32, generator=g).exp(), None),
    # of which bfloat16 sees the place of the heap alone
    "heaps": (
        lambda g, n: torch.eye(32)[drawn(g, 8, n)] + 1e-3 * torch.randn(n, 32, generator=g),
        False,
    ),
    "too large to square": (lambda g, n: 2.0**60 * torch.randn(n, 32, generator=g), False),
    "too small to square": (lambda g, n: 2.0**-60 * torch.randn(n, 32, generator=g), False),
}


@pytest.mark.parametrize("spread", SPREAD)
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_bfloat16_is_taken_where_it_tells_references_apart_and_changes_nothing(
    spread, metric, monkeypatch
):
    draw, taken = SPREAD[spread]
    generator = torch.Generator().manual_seed(0)
    support, query = draw(generator, 9000), draw(generator, 1100)
    labels = drawn(generator, 20, 9000)
    found, screens = [], []
    search = nearest_module._Search.through
    for able in (True, False):
        monkeypatch.setattr(in_bfloat16, "multiplies_bfloat16", lambda able=able: able)
        used = []
        monkeypatch.setattr(
            nearest_module._Search,
            "through",
            lambda self, used=used: used.append(type(self.screen)) or search(self),
        )
        found.append(nearest_module.search(support, labels, query, 20, 5, metric))
        screens.append(used[-1])
    assert taken is None or screens == [InBfloat16 if taken else Screen, Screen]
    for name in ("squared", "rows"):
        assert torch.equal(*(getattr(side, name) for side in found))
    nearest = [side.of_class.sort(1) for side in found]
    assert torch.equal(*(side.values[:, :16] for side in nearest))
    assert torch.equal(
        *(
            side.class_row.gather(1, by.indices[:, :16])
            for side, by in zip(found, nearest, strict=True)
        )
    )


def test_few_references_stand_in_groups_of_one_and_many_in_large_ones():
    assert [screening.group_size(n, 10) for n in (5, 100, 400, 2_000, 60_000)] == [1, 1, 4, 16, 32]


def test_no_query_at_all():
    support, labels, query = data()
    assert knn(support, labels, query[:0], 6).shape == (0, 6)


def test_a_device_without_float64_is_refused():
    class Features(torch.Tensor):
        device = torch.device("mps")

    support, labels, query = data()
    with pytest.raises(UserError) as error:
        knn(support, labels, query.as_subclass(Features), 6)
    assert str(error.value) == (
        "KNN computes in float64, which the device 'mps' does not have: move the features to the "
        "CPU."
    )


def test_episodes_equal_single_calls():
    parts = [data(20, 7, 4, 3, seed) for seed in range(4)]
    support, labels, query = (torch.stack(part) for part in zip(*parts, strict=True))
    for options in ({}, {"weights": "distance"}, {"metric": "cosine"}, {"class_balanced": True}):
        together = knn(support, labels, query, 3, 4, **options)
        for i, part in enumerate(parts):
            torch.testing.assert_close(together[i], knn(*part, 3, 4, **options))


def test_float32_is_exact_far_from_the_origin():
    support, labels, query = data(500, 50, 16)
    support, query = support + 1000, query + 1000
    found = KNN(k=7)(support, labels, query, 6)
    expected = by_definition(support.double(), labels, query.double(), 6, 7)
    assert found.argmax(1).tolist() == [ranking[0] for ranking in expected]


def test_class_balanced_votes_count_one_over_the_class_size():
    support = torch.tensor([[0.0], [0.1], [0.2], [0.25]])
    labels = torch.tensor([0, 0, 0, 1])
    query = torch.tensor([[0.15]])
    assert knn(support, labels, query, 2, k=4).argmax() == 0
    balanced = knn(support, labels, query, 2, k=4, class_balanced=True)
    torch.testing.assert_close(balanced, torch.tensor([[0.5, 0.5]], dtype=torch.float64))
    assert balanced.argmax() == 0  # equal votes: the nearest reference is of class 0


def test_a_reference_at_distance_zero_outvotes_the_others():
    support = torch.tensor([[0.0], [0.001], [0.001]])
    labels = torch.tensor([1, 0, 0])
    scores = knn(support, labels, torch.zeros(1, 1), 2, k=3, weights="distance")
    torch.testing.assert_close(scores, torch.tensor([[0.0, 1.0]], dtype=torch.float64))


def test_a_class_without_references_is_last():
    support, labels, query = data(classes=3)
    for scores in (
        knn(support, labels, query, 4),
        knn(support[None], labels[None], query[None], 4)[0],
    ):
        assert scores[:, 3].isneginf().all()
        assert scores[:, :3].isfinite().all()


def test_autocast_does_not_lower_the_precision():
    support, labels, query = data()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = knn(support, labels, query, 6)
    torch.testing.assert_close(mixed, knn(support, labels, query, 6), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "KNN.k is 0: use 1 or more."),
        ({"k": 301}, "KNN.k is 301, but there are 300 references: use k from 1 to 300."),
        ({"weights": "even"}, "KNN.weights is 'even': use one of uniform, distance."),
        ({"metric": "l1"}, "KNN.metric is 'l1': use one of euclidean, cosine."),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(UserError) as error:
        knn(*data(), 6, **options)
    assert str(error.value) == message


MANY = [(500_000, 128, "euclidean"), (200_000, 128, "cosine"), (40_000, 2048, "euclidean")]
SEARCHES = """
import os, resource, sys
import torch
from fewshot.heads.knn import knn
def search(rows, width, metric):
    support = torch.empty(rows, width).uniform_(-1, 1, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(rows) % 7
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scores = knn(support, labels, support[-1100:] * 1.01, 7, k=1, metric=metric)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    right = int((scores.argmax(1) == labels[-1100:]).sum())
    print((after - before) // 1024, right, flush=True)
for case in {cases}:
    child = os.fork()  # whose peak is its own
    if not child:
        search(*case)
        os._exit(0)
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def searches():
    """(megabytes that a search took, how many queries it got right) by (rows, width, metric)."""
    program = SEARCHES.format(cases=MANY)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    found = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    return dict(zip(MANY, found, strict=True))


@pytest.mark.parametrize("case", MANY, ids=str)
def test_many_or_wide_references_take_bounded_memory(case, searches):
    megabytes, right = searches[case]
    assert right == 1100  # more queries than are compared at a time
    assert megabytes < 350


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("balanced", [False, True])
def test_fitted_scores_alike_without_sorting(weights, metric, balanced):
    random = torch.Generator().manual_seed(0)
    support, query = (torch.randn(n, 5, generator=random) for n in (60, 20))
    labels = torch.arange(60) % 7
    head = KNN(4, weights, metric, balanced)
    expected = head(support, labels, query, 7)
    torch.testing.assert_close(
        head.fitted(support, labels, 7)(query), expected, atol=1e-12, rtol=1e-6
    )
