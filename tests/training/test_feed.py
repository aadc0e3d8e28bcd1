import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.errors import UserError
from fewshot.training.feed import Feed, check_shareable, rank_slice
from fewshot.training.resident import is_to_reside
from tests.training.tiny_training import TinyDataset, TinySampler

CPU = torch.device("cpu")


def test_starting_late_gives_the_same_rest():
    feed = Feed(TinyDataset(), TinySampler(size=5), 3, CPU)
    whole, rest = list(feed.batches(2)), list(feed.batches(2, start=2))
    assert len(whole) == len(feed) == 5
    for one, two in zip(whole[2:], rest, strict=True):
        for name in ("images", "labels", "rows", "keys"):
            assert torch.equal(getattr(one, name), getattr(two, name))


def test_two_ranks_draw_what_one_process_draws():
    feeds = [Feed(TinyDataset(), TinySampler(size=6), 3, CPU, rank, 2) for rank in (0, 1)]
    whole = list(Feed(TinyDataset(), TinySampler(size=6), 3, CPU).batches(1))
    for one, *parts in zip(whole, *(feed.batches(1) for feed in feeds), strict=True):
        assert [len(part) for part in parts] == [3, 3]
        for name in ("images", "labels", "rows", "keys"):
            joined = torch.cat([getattr(part, name) for part in parts])
            assert torch.equal(joined, getattr(one, name))


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(("rank", "ranks"), [(0, 1), (1, 2)])
def test_resident_images_give_the_same_batches_and_are_read_once(labelled, rank, ranks):
    class Counting(TinyDataset):
        read = 0

        def images(self, rows):
            self.read += len(rows)
            return super().images(rows)

    dataset = Counting(labelled=labelled)
    place = (3, CPU, rank, ranks)
    kept = Feed(dataset, TinySampler(size=5), *place, resident=True)
    gathered = Feed(TinyDataset(labelled=labelled), TinySampler(size=5), *place)
    for epoch, start in ((0, 0), (1, 2), (2, 5)):
        pairs = list(zip(kept.batches(epoch, start), gathered.batches(epoch, start), strict=True))
        assert len(pairs) == 5 - start
        for one, two in pairs:
            assert torch.equal(one.images, two.images)
            assert torch.equal(one.rows, two.rows)
            assert torch.equal(one.keys, two.keys)
            assert (one.labels is None) == (not labelled)
            assert not labelled or torch.equal(one.labels, two.labels)
    assert dataset.read == len(dataset)


@pytest.mark.parametrize(
    ("wanted", "free", "expected"),
    [(None, 10_368, True), (None, 10_367, False), (False, 10**9, False), (True, 2_592, True)],
)
def test_images_reside_where_a_quarter_of_the_free_memory_holds_them(
    monkeypatch, wanted, free, expected
):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 10**12))
    dataset = TinyDataset()  # 24 images of 3 x 6 x 6 bytes
    assert is_to_reside(dataset, torch.device("cuda"), wanted) is expected


def test_images_that_are_wanted_on_the_device_and_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2_591, 10**12))
    with pytest.raises(UserError, match=r"Hardware\.resident is True, but the training images"):
        is_to_reside(TinyDataset(), torch.device("cuda"), True)
    assert is_to_reside(TinyDataset(), CPU, None) is False


@settings(max_examples=50)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 6))
def test_slices_share_every_section_in_order(sections, ranks, extra):
    section = ranks + extra
    slices = [rank_slice(section * sections, sections, rank, ranks) for rank in range(ranks)]
    assert sorted(np.concatenate(slices).tolist()) == list(range(section * sections))
    for part in slices:
        folded = part.reshape(sections, -1) - np.arange(sections)[:, None] * section
        assert (folded == folded[0]).all()


@pytest.mark.parametrize(
    ("sizes", "sections", "ranks", "message"),
    [
        ([8, 8, 5], 1, 3, "a batch of TinySampler has 8 images, which 3 processes cannot share"),
        ([9, 9], 3, 2, "has 3 images of each of its 3 sections, which 2 processes cannot share"),
        ([8, 8, 1], 1, 2, "the smallest batch of TinySampler has 1 images, too few for each of 2"),
    ],
)
def test_what_cannot_be_shared_is_said(sizes, sections, ranks, message):
    sampler = TinySampler()
    sampler.sections = sections
    check_shareable(sizes, sampler, 1)
    with pytest.raises(UserError, match=message):
        check_shareable(sizes, sampler, ranks)


def test_a_part_knows_the_whole_batch():
    sampler = TinySampler(size=6)
    parts = [next(Feed(TinyDataset(), sampler, 3, CPU, rank, 2).batches(1)) for rank in (0, 1)]
    (whole,) = [next(Feed(TinyDataset(), sampler, 3, CPU).batches(1))]
    for part in parts:
        assert len(part) == 3 and len(part.whole) == len(whole) == 6
        for name in ("labels", "rows", "keys"):
            assert torch.equal(getattr(part.whole, name), getattr(whole, name))
            assert torch.equal(getattr(part.whole, name)[part.share.places], getattr(part, name))


def test_an_error_while_gathering_arrives_and_closing_early_is_clean():
    class Broken(TinyDataset):
        def images(self, rows):
            raise UserError("the image store is gone")

    with pytest.raises(UserError, match="the image store is gone"):
        list(Feed(Broken(), TinySampler(), 0, CPU).batches(0))
    batches = Feed(TinyDataset(), TinySampler(size=1), 0, CPU).batches(0)
    next(batches)
    batches.close()


def test_alike_images_are_found_one_a_batch_as_well():
    dataset = TinyDataset()
    dataset._images[:] = 0
    with pytest.raises(
        UserError, match=r"the first 16 images are equal in every pixel, all of one"
    ):
        Feed(dataset, TinySampler(size=1), 3, CPU).check_images(0)
    dataset._images[7] = 1
    Feed(dataset, TinySampler(size=24), 3, CPU).check_images(0)


@pytest.mark.parametrize("resident", [True, False])
def test_places_in_a_batch_are_made_and_moved_once(monkeypatch, resident):
    made = []

    def counted(size, *how):
        made.append(size)
        return rank_slice(size, *how)

    monkeypatch.setattr("fewshot.training.feed.rank_slice", counted)
    feed = Feed(TinyDataset(), TinySampler(size=5), 3, CPU, 1, 2, resident=resident)
    for epoch in range(3):
        shares = [batch.share for batch in feed.batches(epoch)]
        assert all(share.places is shares[0].places for share in shares[:-1])
    assert made == [5, 4]  # whole batches, and the rest of an epoch


def test_a_part_is_pinned_with_what_all_know_of_the_batch(monkeypatch):
    pinned = []

    def pin(tensor):
        pinned.append(tensor.shape)
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    part = next(Feed(TinyDataset(), TinySampler(size=6), 3, CPU, 0, 2).batches(0))
    held = part.pinned()
    assert pinned == [(3, 3, 6, 6), (3,), (3,), (3, 3), (6,), (6,), (6, 3)]
    assert held.share.places is part.share.places
    for name in ("labels", "rows", "keys"):
        assert torch.equal(getattr(held.whole, name), getattr(part.whole, name))
