import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from fewshot.binding.locating import REPOSITORY
from fewshot.binding.refused import refusals_named
from fewshot.console import exit_code
from fewshot.interrupts import STOPS, interrupts_later, no_interrupt_lost


class Closed:
    """Something whose deletion runs code, as the compilers' objects of numba do."""

    def __init__(self, closing):
        self.closing = closing

    def __del__(self):
        self.closing()


def interrupt():
    signal.raise_signal(signal.SIGINT)


def wait():
    for _ in range(200):
        time.sleep(0.01)


def test_an_interrupt_while_something_is_deleted_comes_a_moment_later():
    with pytest.raises(KeyboardInterrupt), no_interrupt_lost():
        Closed(interrupt)
        wait()


def test_it_does_so_where_threads_take_long_to_start(monkeypatch):
    start = threading.Thread.start

    def slow(thread):
        start(thread)
        time.sleep(0.2)

    monkeypatch.setattr(threading.Thread, "start", slow)
    with pytest.raises(KeyboardInterrupt), no_interrupt_lost():
        Closed(interrupt)
        wait()


def test_it_does_so_where_the_one_of_the_terminal_is_ignored():
    """As in what a script has started in the background."""

    def stop(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, stop)
    try:
        with pytest.raises(KeyboardInterrupt), no_interrupt_lost():
            Closed(lambda: signal.raise_signal(signal.SIGTERM))
            wait()
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])


def test_a_command_that_is_interrupted_there_ends_with_130(capsys):
    def work():
        Closed(interrupt)
        wait()

    assert exit_code(work) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_one_that_comes_in_code_made_of_a_text_ends_a_module_with_130_too(tmp_path):
    (tmp_path / "stopped.py").write_text(
        "import signal, sys\n"
        "from fewshot.console import exit_code\n"
        "sys.exit(exit_code(lambda: exec('signal.raise_signal(signal.SIGINT)')))\n"
    )
    command = [sys.executable, "-m", "stopped"]
    paths = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    ended = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")


def half_made():
    """What an interrupt leaves behind that cannot be closed, as a bar of progress may be."""
    try:
        interrupt()
    finally:
        raise AttributeError("type object 'tqdm' has no attribute '_lock'")


def test_an_error_that_takes_the_place_of_an_interrupt_is_one(capsys):
    assert exit_code(half_made) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_it_is_no_refusal_of_bindings():
    with pytest.raises(KeyboardInterrupt), refusals_named():
        half_made()


def test_a_disk_without_room_for_what_an_interrupt_saves_is_told(capsys):
    def work():
        try:
            interrupt()
        finally:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "last.ckpt")

    assert exit_code(work) == 2
    assert "last.ckpt" in capsys.readouterr().err


def test_one_that_has_ended_by_then_is_not_interrupted():
    with no_interrupt_lost():
        Closed(interrupt)
    time.sleep(0.1)


def test_what_else_cannot_be_raised_is_told_as_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with no_interrupt_lost():
        Closed(lambda: 1 / 0)
    assert [one.exc_type for one in told] == [ZeroDivisionError]


def test_a_request_to_stop_waits_where_it_must_and_comes_once():
    heeded, done = [signal.getsignal(number) for number in STOPS], []
    with pytest.raises(KeyboardInterrupt), interrupts_later():
        interrupt()
        interrupt()
        done.append("inside")
    assert done == ["inside"]
    assert [signal.getsignal(number) for number in STOPS] == heeded
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, []) & set(STOPS)


def test_it_waits_where_another_thread_is_sent_it():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_later():
        sent = threading.Thread(target=signal.raise_signal, args=(signal.SIGINT,))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)  # as in a thread that was there before
        sent.start()
        sent.join()
        done.append("inside")
    assert done == ["inside"]


def test_an_ignored_request_stays_ignored():
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts_later():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, former)


class TimeLimitError(Exception):
    """By a handler of something else than a request to stop."""


@pytest.fixture
def raising():
    """A signal whose handler raises, as one of a time limit does."""

    def handler(number, frame):
        raise TimeLimitError

    former = signal.signal(signal.SIGALRM, handler)
    yield signal.SIGALRM
    signal.signal(signal.SIGALRM, former)


@pytest.fixture
def as_it_was():
    """What a test may change; the mask must be as before."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, [])
    heeded = {number: signal.getsignal(number) for number in STOPS}
    yield
    now = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    while signal.sigtimedwait(STOPS, 0):  # one that waits would end all tests
        pass
    for number, handler in heeded.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    assert now == mask


def due_in(monkeypatch, name, wanted, number, early):
    """Have the signal come in the first call of a function of signal with such arguments.

    early: before it has done what it does, and not afterwards.
    """
    real = getattr(signal, name)

    def called(*given):
        if not wanted(*given):
            return real(*given)
        monkeypatch.setattr(signal, name, real)
        done = None if early else real(*given)
        signal.raise_signal(number)
        return real(*given) if early else done

    monkeypatch.setattr(signal, name, called)


@pytest.mark.parametrize("early", [True, False], ids=["early", "late"])
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("pthread_sigmask", lambda how, stops: how == signal.SIG_BLOCK),
        ("pthread_sigmask", lambda how, stops: how == signal.SIG_BLOCK and set(stops) == {*STOPS}),
        ("pthread_sigmask", lambda how, stops: how == signal.SIG_SETMASK),
        ("signal", lambda number, handler: number == STOPS[0]),
        ("signal", lambda number, handler: number == STOPS[-1]),
        ("signal", lambda number, handler: handler == signal.default_int_handler),
    ],
    ids=["before", "at blocking", "at unblocking", "first noted", "last noted", "first set again"],
)
def test_another_handler_that_raises_at_either_end_leaves_no_request_unheard(
    monkeypatch, raising, as_it_was, name, wanted, early
):
    for stop in STOPS:
        signal.signal(stop, signal.default_int_handler)
    due_in(monkeypatch, name, wanted, raising, early)
    with pytest.raises(TimeLimitError), interrupts_later():
        pass
    for stop in STOPS:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(stop)
        assert signal.getsignal(stop) == signal.default_int_handler


def sent_through_another_thread(number):
    """As where a BLAS's thread, which blocks nothing, is the one that the system takes."""

    def send():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        signal.raise_signal(number)

    sent = threading.Thread(target=send)
    sent.start()
    sent.join()


def test_requests_of_several_kinds_all_come_once(as_it_was):
    heard = []
    for stop in STOPS:
        signal.signal(stop, lambda number, frame: heard.append(number))
    with interrupts_later():
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            sent_through_another_thread(number)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGHUP)
        assert not heard
    assert sorted(heard) == sorted([signal.SIGHUP, signal.SIGINT, signal.SIGTERM])
