import numpy as np
import pytest
from PIL import Image

from fewshot.data.audit.looks import (
    Looks,
    difference_hash,
    frequency_hash,
    picture_digest,
)
from fewshot.data.audit.pairs import NearRule, exact_matches, near_matches, thumbnail_distance


def bits_of(code):
    """The 64 bits of a hash in the order they were packed."""
    return np.unpackbits(np.array([code], np.uint64).view(np.uint8))


def test_difference_hash_is_a_bit_a_rise_to_the_right():
    grey = np.random.default_rng(0).integers(0, 256, (3, 8, 9), dtype=np.uint8)
    for image, code in zip(grey, difference_hash(grey), strict=True):
        expected = [
            int(image[row, column + 1]) > int(image[row, column]) + 2
            for row in range(8)
            for column in range(8)
        ]
        assert bits_of(code).tolist() == expected
    noise = 250 + np.random.default_rng(1).integers(0, 3, (1, 8, 9))
    assert difference_hash(noise)[0] == 0  # compression on a white background


def test_frequency_hash_is_the_sign_of_low_cosine_terms():
    grey = np.random.default_rng(0).integers(0, 256, (2, 32, 32)).astype(float)
    places = np.arange(32) + 0.5
    for image, code in zip(grey, frequency_hash(grey), strict=True):
        terms = [
            (image * np.outer(np.cos(u * np.pi / 32 * places), np.cos(v * np.pi / 32 * places)))
            for u in range(8)
            for v in range(8)
        ]
        terms = np.array([term.sum() for term in terms])
        assert bits_of(code).tolist() == (terms > np.median(terms[1:])).tolist()


def test_digests_are_of_pixels_and_size():
    flat = np.arange(24, dtype=np.uint8)
    wide, high = flat.reshape(2, 4, 3), flat.reshape(4, 2, 3)
    assert picture_digest(Image.fromarray(wide)) == picture_digest(Image.fromarray(wide.copy()))
    assert picture_digest(Image.fromarray(wide)) != picture_digest(Image.fromarray(high))


def looks(thumbnails, digests=None, hashes=None):
    n = len(thumbnails)
    zeros = np.zeros(n, np.uint64)
    codes = zeros if hashes is None else np.array(hashes, np.uint64)
    unique = np.arange(1, n + 1, dtype=np.uint64) if digests is None else digests
    return Looks(np.asarray(unique, np.uint64), codes, zeros, thumbnails)


def noisy(n, seed, noise=0):
    rng = np.random.default_rng(0)
    images = rng.integers(20, 236, (n, 32, 32, 3))
    change = np.random.default_rng(seed).integers(-noise, noise + 1, images.shape)
    return (images + change).astype(np.uint8)


def test_thumbnail_distance_by_definition():
    a, b = noisy(5, 0), noisy(5, 1, noise=20)
    found = thumbnail_distance(looks(a), looks(b))
    for x, y, distance in zip(a.astype(float), b.astype(float), found, strict=True):
        expected = np.sqrt(((x - y) ** 2).mean()) / min(x.std(), y.std())
        assert distance == pytest.approx(expected, rel=1e-4)
    plain = np.full((1, 32, 32, 3), 255, np.uint8)
    assert thumbnail_distance(looks(plain), looks(plain - 4))[0] == pytest.approx(0.5)


@pytest.mark.parametrize("limit", [0.05, 0.2, 0.6])
def test_near_matches_are_those_of_a_plain_loop(limit):
    rng = np.random.default_rng(5)
    reference = looks(noisy(40, 0), digests=np.arange(40) + 100, hashes=rng.integers(0, 16, 40))
    query = looks(
        np.concatenate([noisy(40, 2, noise=8)[:20], noisy(40, 3, noise=40)[20:]]),
        digests=np.r_[100, np.arange(39) + 500],  # the first is an exact duplicate
        hashes=rng.integers(0, 16, 40),
    )
    expected = {}
    for i in range(40):
        for j in range(40):
            bits = int(query.difference_hashes[i] ^ reference.difference_hashes[j]).bit_count()
            rows = np.array([i]), np.array([j])
            distance = thumbnail_distance(query.take(rows[0]), reference.take(rows[1]))[0]
            same = query.digests[i] == reference.digests[j]
            if bits <= 2 and distance <= limit and not same:
                expected[i] = min(expected.get(i, (9, 0, 0)), (distance, j, bits))
    found = near_matches(query, reference, NearRule(bits=2, distance=limit))
    assert {m.query: (m.reference, m.bits) for m in found} == {
        i: (j, bits) for i, (_, j, bits) in expected.items()
    }
    assert limit == 0.05 or len(found) > 5
    for match in found:
        assert match.distance == pytest.approx(float(expected[match.query][0]), rel=1e-5)


def test_compared_with_itself_a_row_matches_only_rows_before_it():
    images = np.concatenate([noisy(3, 0), noisy(3, 0, noise=0), noisy(3, 4, noise=3)])
    digests = [1, 2, 3, 1, 2, 3, 7, 8, 9]
    itself = looks(images, digests=digests)
    exact = exact_matches(itself, None)
    assert [(m.query, m.reference) for m in exact] == [(3, 0), (4, 1), (5, 2)]
    near = near_matches(itself, None, NearRule(distance=0.2))
    assert [(m.query, m.reference) for m in near] == [(6, 0), (7, 1), (8, 2)]


def test_an_exact_match_is_with_the_first_such_reference():
    reference = looks(noisy(4, 0), digests=[5, 6, 5, 6])
    query = looks(noisy(3, 0), digests=[6, 9, 5])
    found = exact_matches(query, reference)
    assert [(m.query, m.reference) for m in found] == [(0, 1), (2, 0)]


def test_many_blank_images_are_not_compared_pixel_by_pixel():
    """All hashes equal: block means must sort out what differs, or this takes minutes."""
    rng = np.random.default_rng(0)
    tints = rng.integers(0, 256, (1500, 1, 1, 3))
    images = np.broadcast_to(tints, (1500, 32, 32, 3)).astype(np.uint8)
    found = near_matches(looks(images), None, NearRule(distance=0.01))
    assert len(found) < 5
