import pytest
import torch

from fewshot import seeding
from fewshot.training.ahead import foreseen
from tests.training.tape import Tape
from tests.training.test_capture import STEPS, Net, Refusing, Run, batches

CALLED = []


class Counting(Net):
    """Which notes how many images it augments, elsewhere, so that it can be recorded."""

    def augment(self, images, keys):
        CALLED.append(len(images))
        return super().augment(images, keys)


@pytest.mark.parametrize(
    ("sizes", "by_itself"),
    [
        ((8,) * STEPS, [8]),
        # a short batch is an ordinary step, after which nothing was prepared for the next
        ((8, 8, 8, 8, 3, 8, 8, 8, 3), [8, 3, 8, 3]),
    ],
)
def test_views_are_made_a_batch_ahead_where_it_is_known(sizes, by_itself):
    CALLED.clear()
    tape = Tape()
    captured = Run(tape, net=Counting, sizes=sizes)
    # three ordinary steps; to see what views there are, and in the recording
    assert [*[8] * 3, *[8] * 2, *by_itself] == CALLED
    assert captured.step._ahead.asked
    assert tape.beside_others == tape.joined == 2
    assert captured.same_as(Run(Refusing(), net=Counting, sizes=sizes))


def test_the_following_batch_is_told_before_the_one_before_it_is_given():
    told, given = [], []
    for item in foreseen(iter("abc"), told.append):
        given.append((item, told[-1]))
    assert given == [("a", "b"), ("b", "c"), ("c", None)]
    assert list(foreseen([], told.append)) == []


class Without(Net):
    """No augmentation: its images are what was given."""

    def augment(self, images, keys):
        return images


class Drawing(Net):
    """Draws that are not of the keys, but of the device's generator."""

    def augment(self, images, keys):
        return (images.float() * torch.rand(())).round().to(torch.uint8)


class OtherKeys(Net):
    """A view of keys of its own, as two views have."""

    def augment(self, images, keys):
        return super().augment(images, keys + 1)

    def features(self, batch):
        views = self.augment(batch.images, batch.keys.clone()).float() / 255
        return self.drop(self.norm(self.conv(views)).relu().mean((2, 3)))


class Otherwise(Net):
    """Augments by more than images and keys."""

    def augment(self, images, keys, how):
        return super().augment(images, keys + how)

    def features(self, batch):
        images = self.augment(batch.images, batch.keys, 1).float() / 255
        return self.drop(self.norm(self.conv(images)).relu().mean((2, 3)))


class Twice(Net):
    """Asks twice, and changes in place what it was given."""

    def features(self, batch):
        images = self.augment(batch.images, batch.keys).bitwise_not_()
        images = self.augment(batch.images, batch.keys).float() + images.float()
        return self.drop(self.norm(self.conv(images / 255)).relu().mean((2, 3)))


@pytest.mark.parametrize(
    ("net", "ahead"),
    [
        (Without, False),
        (Drawing, False),
        (OtherKeys, False),
        (Otherwise, False),
        (Twice, True),
    ],
)
def test_only_views_of_a_batchs_own_keys_are_made_ahead(net, ahead):
    tape = Tape()
    captured = Run(tape, net=net)
    assert (captured.step._ahead is not None) is ahead
    assert captured.same_as(Run(Refusing(), net=net))
    assert (tape.recorded, tape.replays) == (1, STEPS - 3)
    assert "augment" not in vars(captured.net)


class DrawingOtherwise(Net):
    """Draws before it misses what it is not given."""

    def augment(self, images, keys, by=None):
        return (images.float() * torch.rand(()) * by).round().to(torch.uint8)

    def features(self, batch):
        views = self.augment(batch.images, batch.keys, 1).float() / 255
        return self.drop(self.norm(self.conv(views)).relu().mean((2, 3)))


@pytest.mark.parametrize("net", [Net, Without, Drawing, DrawingOtherwise, OtherKeys, Twice])
@pytest.mark.parametrize("recorder", [Tape, Refusing])
def test_what_is_tried_before_a_recording_leaves_the_draws_of_the_step_as_they_were(net, recorder):
    # with a scaler the optimiser moves as in the plain step, in which nothing is ever tried
    assert Run(recorder(), net=net, scaled=True).same_as(Run(None, net=net))


def test_a_step_that_is_not_recorded_with_a_branch_is_recorded_without():
    class Unbranched(Tape):
        def record(self, work):
            before = self.beside_others
            replay, result = super().record(work)
            if self.beside_others > before:
                raise RuntimeError("no branches here")
            return replay, result

    tape = Unbranched()
    captured = Run(tape)
    assert (captured.reasons, captured.step._ahead) == ([], None)
    assert (tape.recorded, tape.replays) == (2, STEPS - 3)
    assert captured.same_as(Run(Refusing()))


def test_what_is_not_foreseen_is_made_in_its_turn():
    captured, expected = Run(Tape()), Run(Refusing())
    for run in (captured, expected):
        for batch in batches():
            run.step._following = None
            seeding.reseed(2, int(batch.rows[0]))
            run.logs.append(run.step(batch, STEPS, STEPS))
    assert captured.same_as(expected)
