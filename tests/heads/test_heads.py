import numpy as np
import pytest
import torch
from easyfsl.methods import LaplacianShot as EasyLaplacianShot
from easyfsl.methods import PrototypicalNetworks
from easyfsl.methods import SimpleShot as EasySimpleShot
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression as ReferenceRegression
from torch.nn import functional as F

from fewshot.errors import UserError
from fewshot.heads.knn import KNN
from fewshot.heads.logistic_regression import LogisticRegression, logistic_regression
from fewshot.heads.prototypes import NearestPrototype, SimpleShot, nearest_prototype, simple_shot
from fewshot.heads.transductive.bd_cspn import BDCSPN, bd_cspn, rectified
from fewshot.heads.transductive.laplacian_shot import LaplacianShot, laplacian_shot

HEADS = [KNN(3), NearestPrototype(), SimpleShot(), LogisticRegression(), BDCSPN(), LaplacianShot()]


def episodes(n=3, way=4, shot=5, n_query=6, d=10, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(n, way, 1, d, generator=generator, dtype=torch.float64)

    def draw(m):
        noise = torch.randn(n, way, m, d, generator=generator, dtype=torch.float64)
        return (centres + 0.5 * noise + 1).flatten(1, 2)

    def labels(m):
        return torch.arange(way).repeat_interleave(m).repeat(n, 1)

    return draw(shot), labels(shot), draw(n_query), labels(n_query)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_batched_episodes_equal_single_ones(head):
    support, labels, query, truth = episodes()
    together = head(support, labels, query, 4)
    assert together.shape == (3, 24, 4)
    assert together.dtype == torch.float64
    for i in range(3):
        alone = head(support[i], labels[i], query[i], 4)
        torch.testing.assert_close(together[i], alone, rtol=1e-4, atol=1e-4)
    assert (together.argmax(-1) == truth).double().mean() > 0.9


@pytest.mark.parametrize("head", HEADS, ids=lambda head: type(head).__name__)
def test_only_transductive_heads_look_at_other_queries(head):
    support, labels, query, _ = episodes(n=1)
    whole = head(support[0], labels[0], query[0], 4)
    part = head(support[0], labels[0], query[0, :9], 4)
    alike = torch.allclose(whole[:9], part, rtol=1e-6, atol=1e-8)
    assert alike is not head.transductive


def test_nearest_prototype_agrees_with_easyfsl():
    support, labels, query, _ = episodes()
    reference = PrototypicalNetworks()
    reference.process_support_set(support[0], labels[0])
    found = nearest_prototype(support[0], labels[0], query[0], 4)
    torch.testing.assert_close(found, reference(query[0]), rtol=0, atol=1e-6)


def test_simple_shot_agrees_with_easyfsl():
    support, labels, query, _ = episodes()
    mean = torch.linspace(0, 2, 10, dtype=torch.float64)
    for base_mean, centring in ((mean, mean), (None, torch.zeros(10, dtype=torch.float64))):
        reference = EasySimpleShot(feature_centering=centring, feature_normalization=2)
        reference.process_support_set(support[0], labels[0])
        found = simple_shot(support[0], labels[0], query[0], 4, base_mean)
        torch.testing.assert_close(found, reference(query[0]), rtol=0, atol=1e-6)


def test_a_class_without_support_is_never_predicted():
    support, labels, query, _ = episodes(n=1)
    for head in (NearestPrototype(), SimpleShot()):
        scores = head(support[0], labels[0], query[0], 6)
        assert scores[:, 4:].isneginf().all()
        assert scores[:, :4].isfinite().all()


@pytest.mark.parametrize(("shot", "d"), [(30, 4), (2, 40)])
@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_logistic_regression_agrees_with_scikit_learn(shot, d, c):
    support, labels, query, _ = episodes(1, 3, shot, d=d)
    reference = ReferenceRegression(C=c, tol=1e-10, max_iter=10_000)
    reference.fit(support[0].numpy(), labels[0].numpy())
    logits = logistic_regression(support[0], labels[0], query[0], 3, c, tolerance=1e-9)
    np.testing.assert_allclose(
        logits.softmax(-1), reference.predict_proba(query[0].numpy()), atol=1e-5
    )


@pytest.mark.filterwarnings("ignore:logistic regression did not converge")
@pytest.mark.parametrize("scale", [300])
def test_logistic_regression_of_long_features_in_single_precision(scale):
    support, labels, query, truth = episodes(1, 5, 5, 40, 300, seed=1)
    support, query = (support[0] * scale).float(), (query[0] * scale).float()
    reference = ReferenceRegression(tol=1e-10, max_iter=10_000)
    reference.fit(support.double().numpy(), labels[0].numpy())
    expected = torch.from_numpy(reference.predict(query.double().numpy()))
    logits = logistic_regression(support, labels[0], query, 5)
    assert logits.dtype == torch.float32
    assert (logits.argmax(1) == expected).double().mean() > 0.98
    assert (logits.argmax(1) == truth[0]).double().mean() > 0.9


def test_logistic_regression_of_features_that_are_all_equal():
    logits = logistic_regression(torch.ones(6, 3), torch.arange(6) % 2, torch.ones(2, 3), 2)
    torch.testing.assert_close(logits.softmax(-1), torch.full((2, 2), 0.5))


def test_logistic_regression_that_does_not_converge_is_said():
    support, labels, query, _ = episodes(1)
    with pytest.warns(RuntimeWarning, match="did not converge in 2 iterations: scale the features"):
        logistic_regression(support, labels, query, 4, max_iterations=2)


@pytest.mark.parametrize(
    ("head", "options", "message"),
    [
        (LogisticRegression, {"c": 0}, r"LogisticRegression\.c is 0: bind more than 0, e\.g\. 1"),
        (BDCSPN, {"temperature": -1}, r"BDCSPN\.temperature is -1: bind more than 0, e\.g\. 10\.0"),
        (LaplacianShot, {"n_neighbours": 0}, r"LaplacianShot\.n_neighbours is 0: use 1 or more"),
        (LaplacianShot, {"strength": -0.1}, r"LaplacianShot\.strength is -0\.1: use 0 or more"),
    ],
)
def test_options_out_of_range_are_refused(head, options, message):
    with pytest.raises(UserError, match=message):
        head(**options)


def bd_cspn_by_loops(support, labels, query, n_classes, temperature):
    unit = lambda x: x / x.norm()  # noqa: E731
    support, query = [unit(x) for x in support], [unit(x) for x in query]
    shift = sum(support) / len(support) - sum(query) / len(query)
    query = [unit(x + shift) for x in query]
    means = []
    for c in range(n_classes):
        own = [x for x, label in zip(support, labels, strict=True) if label == c]
        means.append(unit(sum(own)))
    rows = list(zip(support, labels.tolist(), strict=True))
    rows += [(x, max(range(n_classes), key=lambda c: float(x @ means[c]))) for x in query]
    rectified = []
    for c in range(n_classes):
        own = [(x, (temperature * (x @ means[c])).exp()) for x, label in rows if label == c]
        rectified.append(sum(w * x for x, w in own) / sum(w for _, w in own))
    return torch.stack([torch.stack([x @ unit(m) for m in rectified]) for x in query])


def test_bd_cspn_is_its_definition():
    support, labels, query, _ = episodes(n=1)
    expected = bd_cspn_by_loops(support[0], labels[0], query[0], 4, 10.0)
    torch.testing.assert_close(bd_cspn(support[0], labels[0], query[0], 4), expected)


def test_bd_cspn_bears_any_temperature():
    support, labels, query, truth = (x.float() for x in episodes())
    scores = bd_cspn(support, labels.long(), query, 4, temperature=1000.0)
    assert scores.isfinite().all()
    assert (scores.argmax(-1) == truth).double().mean() > 0.9


def test_laplacian_shot_updates_as_easyfsl_does():
    support, labels, query, _ = episodes(n=1, n_query=10)
    means, moved = rectified(support[0], labels[0], query[0], 4, temperature=10.0)
    theirs = EasyLaplacianShot(torch.nn.Identity(), knn=4)  # counts the query itself
    expected = theirs.bound_updates(
        torch.cdist(moved, means).square(), theirs.compute_pairwise_affinities(moved).double()
    )
    found = laplacian_shot(support[0], labels[0], query[0], 4).exp()
    # theirs stops as soon as the energy changes by less than a millionth
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    without = laplacian_shot(support[0], labels[0], query[0], 4, strength=0.0).exp()
    assert (found - without).abs().max() > 0.05


def test_laplacian_shot_settles():
    support, labels, query, _ = episodes(n=1, n_query=10)
    arguments = (support[0], labels[0], query[0], 4)
    one, many = (laplacian_shot(*arguments, n_steps=n).exp() for n in (0, 50))
    settled = laplacian_shot(*arguments, n_steps=51).exp()
    torch.testing.assert_close(many.sum(1), torch.ones(40, dtype=torch.float64))
    torch.testing.assert_close(many, settled, atol=1e-6, rtol=0)  # a fixed point of the updates
    assert not torch.allclose(one, many)


def test_laplacian_shot_without_strength_is_the_rectified_prototypes():
    support, labels, query, _ = episodes(n=1)
    found = laplacian_shot(support[0], labels[0], query[0], 4, strength=0.0)
    cosine = bd_cspn(support[0], labels[0], query[0], 4)
    assert (found.argmax(1) == cosine.argmax(1)).double().mean() > 0.9
    torch.testing.assert_close(found, F.log_softmax(found, -1))


@pytest.mark.parametrize("width", [5, 60])  # of 60 features beside 40 rows, the rest is nothing
def test_a_fitted_regression_scores_alike(width):
    random = torch.Generator().manual_seed(0)
    support, query = (torch.randn(n, width, generator=random) for n in (40, 20))
    labels, head = torch.arange(40) % 4, LogisticRegression(class_balanced=True)
    expected = head(support, labels, query, 4)
    torch.testing.assert_close(head.fitted(support, labels, 4)(query), expected, atol=1e-5, rtol=0)


def moved_away(away, seed, n_classes=6):
    """Support and queries in single precision, the queries far from it by about so much."""
    generator = torch.Generator().manual_seed(seed)
    support, query = (torch.randn(n, 16, generator=generator) for n in (4 * n_classes, 40))
    labels = torch.arange(n_classes).repeat_interleave(4)
    return support, labels, query + away * torch.randn(16, generator=generator)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from([0.0, 1e3, 3e3, 1e4]))
def test_the_nearest_prototype_of_far_queries_is_that_of_float64(seed, away):
    """The rank of every class, unless products in single precision cannot tell two apart."""
    support, labels, query = moved_away(away, seed)
    means = support.double().view(6, 4, 16).mean(1)
    centre = means.mean(0)
    squared = torch.cdist(query.double() - centre, means - centre).square()
    exact, order = squared.sort(dim=1)
    size = (query.double() - centre).norm(dim=1) * (means - centre).norm(dim=1).max()
    told = (exact.diff(dim=1) > 1e-5 * size.unsqueeze(1)).all(1)
    scores = nearest_prototype(support, labels, query, 6)
    assert scores.dtype == torch.float64
    assert told.sum() > 35
    assert torch.equal(scores.argsort(dim=1, descending=True)[told], order[told])
    torch.testing.assert_close(scores, -squared.sqrt(), rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_laplacian_shot_of_far_features_is_that_of_float64(seed):
    """Whose directions are nearly the same: distances between them are not to be rounded away."""
    support, labels, query, _ = episodes(n=1, n_query=10, seed=seed)
    support, query = ((part[0] + 1000).float() for part in (support, query))
    found = laplacian_shot(support, labels[0], query, 4)
    means, moved = rectified(support, labels[0], query, 4, temperature=10.0)
    means, moved = means.double(), moved.double()
    distances = torch.cdist(moved, moved).fill_diagonal_(torch.inf)
    near = distances.topk(3, largest=False).indices
    affinity = torch.zeros_like(distances).scatter_(1, near, 1.0)
    unary = torch.cdist(moved, means).square()
    expected = (-unary).log_softmax(1)
    for _ in range(20):
        expected = (0.7 * affinity @ expected.exp() - unary).log_softmax(1)
    near = expected.topk(2).values
    told = near[:, 0] - near[:, 1] > 1e-6  # float32 is off by up to 2e-7
    assert told.sum() > 15
    assert torch.equal(found.argmax(1)[told], expected.argmax(1)[told])
