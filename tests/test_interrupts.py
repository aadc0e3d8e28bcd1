import signal
import sys
import time

import pytest

from fewshot.console import exit_code
from fewshot.interrupts import no_interrupt_lost


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


def test_a_command_that_is_interrupted_there_ends_with_130(capsys):
    def work():
        Closed(interrupt)
        wait()

    assert exit_code(work) == 130
    assert capsys.readouterr().err == "interrupted\n"


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
