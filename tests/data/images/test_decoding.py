import contextlib
import itertools
import logging
import multiprocessing
import os
import signal
import time
from contextlib import closing

import numpy as np
import pytest
from torch.utils.data._utils import signal_handling

from fewshot.console import exit_code
from fewshot.data.images import decoding, photo
from fewshot.data.images.decode import Failure, ImageFormat
from fewshot.data.images.decoding import decode_in_order
from fewshot.data.images.workers import _Deaths
from fewshot.errors import UserError
from fewshot.experiment.lock import FolderLock
from fewshot.interrupts import STOPS
from tests.faults import child

# Of two workers on one processor.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker")

FORMAT = ImageFormat((2, 3), 1, "stretch")
IDS = [str(number) for number in range(1000)]


def decoders(images):
    """Ids of the processes that decoded them."""
    return {int.from_bytes(bytes(image[0, 1, :])) for image in images}


class Numbered:
    """Images that show their number and who decoded them; one in a hundred cannot be read."""

    root_dir = "numbered"

    def decode(self, ids, wanted):
        images = np.zeros((len(ids), *wanted.shape), np.uint8)
        images[:, 0, 0, 0] = [int(image_id) % 251 for image_id in ids]
        images[:, 0, 1, :] = list(os.getpid().to_bytes(3))
        return images, {k: Failure("broken", True) for k, i in enumerate(ids) if int(i) % 100 == 7}


@pytest.fixture
def two_processors(monkeypatch):
    monkeypatch.setattr(decoding, "usable_processors", lambda: 2)
    monkeypatch.setattr(decoding, "FEW", 100)


def decoded(store, ids=IDS):
    """(ids, values, ids of failures, who decoded) over all chunks."""
    names, values, failed, workers = [], [], [], set()
    for chunk, images, failures in decode_in_order(store, ids, FORMAT):
        names += chunk
        values += images[:, 0, 0, 0].tolist()
        failed += [chunk[k] for k in failures]
        workers |= decoders(images)
    return names, values, failed, workers


def test_processes_give_what_threads_give_in_the_same_order(two_processors, monkeypatch):
    *shared, workers = decoded(Numbered())
    monkeypatch.setattr(decoding, "FEW", len(IDS) + 1)
    *alone, threads = decoded(Numbered())
    assert shared == alone
    assert shared[0] == IDS and shared[2] == IDS[7::100]
    assert threads == {os.getpid()}
    assert len(workers) == 2 and not workers & threads


def test_a_part_of_many_images_is_decoded_as_many_are(two_processors):
    few = IDS[: decoding.CHUNK + 1]
    for altogether, workers in ((None, 1), (len(IDS), 2)):
        found = decode_in_order(Numbered(), few, FORMAT, altogether)
        chunks = [images.copy() for _, images, _ in found]
        pids = decoders(np.concatenate(chunks))
        assert len(pids) == workers and (os.getpid() in pids) == (workers == 1)


class Uneven(Numbered):
    """Images of which some chunks take much longer than others."""

    def decode(self, ids, wanted):
        time.sleep(0.02 if int(ids[0]) // decoding.CHUNK % 5 == 0 else 0)
        return super().decode(ids, wanted)


def test_no_chunk_is_written_over_before_the_next_is_asked_for(two_processors, monkeypatch):
    monkeypatch.setattr(decoding, "CHUNK", 8)
    found = []
    for chunk, images, _ in decode_in_order(Uneven(), IDS, FORMAT):
        time.sleep(0.002)  # workers go on as far as they may
        found += images[:, 0, 0, 0].tolist()
        assert len(images) == len(chunk)
    assert found == [int(image_id) % 251 for image_id in IDS]


def test_where_nothing_can_be_forked_threads_decode(two_processors, monkeypatch):
    monkeypatch.setattr(decoding, "can_fork", lambda: False)
    assert decoded(Numbered())[3] == {os.getpid()}


class Killed(Numbered):
    """A store whose worker is killed as it comes to the image 500."""

    def __init__(self):
        self.here = os.getpid()

    def decode(self, ids, wanted):
        if "500" in ids and os.getpid() != self.here:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().decode(ids, wanted)


def test_threads_go_on_where_a_worker_was_killed(two_processors, caplog):
    with caplog.at_level(logging.WARNING):
        names, values, failed, _ = decoded(Killed())
    assert (names, values, failed) == decoded(Numbered())[:3]
    assert "decoding in processes stopped" in caplog.text and "threads go on" in caplog.text


def asked_to_stop_by_another(workers, number):
    """Send it as who stops all processes of a terminal or a job does: another than their parent."""
    other = os.fork()
    if not other:
        for worker in workers:
            os.kill(worker.pid, number)
        os._exit(0)
    os.waitpid(other, 0)


@pytest.mark.parametrize("number", STOPS)
def test_workers_go_on_where_all_processes_are_asked_to_stop(two_processors, caplog, number):
    with (
        caplog.at_level(logging.WARNING),
        closing(decode_in_order(Numbered(), IDS, FORMAT)) as chunks,
    ):
        found = [next(chunks)[1].copy()]
        asked_to_stop_by_another(multiprocessing.active_children(), number)
        found += [images.copy() for _, images, _ in chunks]
    assert os.getpid() not in decoders(np.concatenate(found))
    assert not caplog.text


def test_workers_end_when_their_parent_asks(two_processors):
    with closing(decode_in_order(Numbered(), IDS, FORMAT)) as chunks:
        next(chunks)
        for worker in multiprocessing.active_children():
            worker.terminate()
            worker.join(20)
            assert worker.exitcode == 0


def test_that_a_worker_was_killed_is_heard_where_its_work_is_asked_for(two_processors, caplog):
    with (
        caplog.at_level(logging.WARNING),
        closing(decode_in_order(Numbered(), IDS, FORMAT)) as chunks,
    ):
        names = list(next(chunks)[0])
        for worker in multiprocessing.active_children():
            os.kill(worker.pid, signal.SIGKILL)
            os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # dead, which torch may see
        names += [name for chunk, *_ in chunks for name in chunk]
    assert names == IDS
    assert "threads go on" in caplog.text


@pytest.fixture
def children_heard(monkeypatch):
    """What a handler of ends of children has heard, that was there before torch's first worker."""
    heard = []
    former = signal.signal(signal.SIGCHLD, lambda number, frame: heard.append(number))
    monkeypatch.setattr(signal_handling, "_SIGCHLD_handler_set", False)
    monkeypatch.setattr("fewshot.data.images.workers._deaths", _Deaths())
    yield heard
    signal.signal(signal.SIGCHLD, former)


def test_who_waited_for_children_before_hears_of_them_while_no_work_is_asked_for(
    two_processors, children_heard
):
    with closing(decode_in_order(Numbered(), IDS, FORMAT)) as chunks:
        next(chunks)
        children_heard.clear()
        signal.raise_signal(signal.SIGCHLD)
        assert children_heard == [signal.SIGCHLD]
        next(chunks)
        before = len(children_heard)
        next(chunks)
        assert len(children_heard) == before, "no child has ended"


def test_a_handler_of_ends_of_children_that_came_later_keeps_its_place(
    two_processors, children_heard
):
    with closing(decode_in_order(Numbered(), IDS, FORMAT)) as chunks:
        next(chunks)
    later = []
    signal.signal(signal.SIGCHLD, lambda number, frame: later.append(number))
    with closing(decode_in_order(Numbered(), IDS, FORMAT)) as chunks:
        next(chunks)
        later.clear()
        signal.raise_signal(signal.SIGCHLD)
        assert later == [signal.SIGCHLD]


class Stopping(Numbered):
    """Images at the first of which all processes of the program are asked to stop."""

    def __init__(self, number):
        self.number = number

    def decode(self, ids, wanted):
        if ids[0] == IDS[0]:
            os.killpg(0, self.number)
            time.sleep(0.05)
        return super().decode(ids, wanted)


@pytest.mark.parametrize("number", STOPS)
def test_a_program_that_is_stopped_with_its_workers_says_one_thing(
    two_processors, tmp_path, number
):
    def work():
        for _ in decode_in_order(Stopping(number), IDS, FORMAT):
            time.sleep(0.01)

    program = child.start(lambda: exit_code(work), tmp_path / "log")
    assert child.wait(program, 60) == 130
    assert (tmp_path / "log").read_text() == "interrupted\n"


def test_nobody_is_left_where_decoding_is_given_up(two_processors):
    with closing(decode_in_order(Numbered(), IDS, FORMAT)) as chunks:
        next(chunks)
        assert multiprocessing.active_children()
    assert not multiprocessing.active_children()


def test_a_killed_run_takes_its_workers_along_and_their_hold_on_its_folder(
    two_processors, tmp_path
):
    run = os.fork()
    if not run:
        FolderLock(tmp_path)
        for _ in decode_in_order(Numbered(), IDS, FORMAT):
            (tmp_path / "up").touch()
            time.sleep(60)
    while not (tmp_path / "up").exists():
        time.sleep(0.01)
    os.kill(run, signal.SIGKILL)
    os.waitpid(run, 0)
    for _ in range(100):  # a second: torch's own workers look after their parent every five
        with contextlib.suppress(UserError):
            FolderLock(tmp_path).release()
            return
        time.sleep(0.01)
    pytest.fail("a worker outlives its run, and holds its folder")


class Large(Numbered):
    """Images that take their time under the lock for pictures of many pixels."""

    def decode(self, ids, wanted):
        with photo._alone:
            span = [time.monotonic_ns()]
            time.sleep(0.01)
            span.append(time.monotonic_ns())
        images = np.zeros((len(ids), *wanted.shape), np.uint8)
        images[0] = np.array(span).view(np.uint8).reshape(wanted.shape)
        return images, {}


def test_processes_take_turns_with_large_pictures(two_processors):
    chunks = decode_in_order(Large(), IDS, ImageFormat((2, 8), 1, "stretch"))
    spans = sorted(tuple(images[0, 0].view(np.int64)[:, 0]) for _, images, _ in chunks)
    assert len(spans) == -(-len(IDS) // decoding.CHUNK)
    assert all(ended <= began for (_, ended), (began, _) in itertools.pairwise(spans))
