import io
import logging

import pytest

from fewshot import console, progress
from fewshot.progress import ProgressBar, duration, followed


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def test_a_log_hears_of_a_long_part_now_and_then_with_the_time_left(clock, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    with ProgressBar("embedding", 2_000, stream=io.StringIO()) as part:
        for _ in range(200):
            clock.now += 1
            part.update(10)
    assert lines(caplog) == [
        "embedding: 100 of 2,000 images, about 3 min left",
        "embedding: 300 of 2,000 images, about 3 min left",
        "embedding: 700 of 2,000 images, about 2 min left",
        "embedding: 1,300 of 2,000 images, about 70 s left",
        "embedding: 1,900 of 2,000 images, about 10 s left",
    ]


def test_a_name_in_a_bar_steers_no_terminal(monkeypatch):
    monkeypatch.setattr(progress, "_BAR_AFTER", 0)
    stream = Terminal()
    with ProgressBar("looking through \x1b]0;name\x07", 3, "files", stream=stream) as part:
        part.note("\x1b[31mred")
        part.update(3)
    assert "looking through \\x1b]0;name\\x07" in stream.getvalue()
    assert "\x1b]0" not in stream.getvalue() and "\x1b[31m" not in stream.getvalue()


def test_a_part_that_is_soon_over_is_not_spoken_of(clock, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    with ProgressBar("embedding", 100, stream=io.StringIO()) as part:
        clock.now += 9
        part.update(100)
    assert lines(caplog) == []


def test_what_was_done_before_does_not_count_for_the_speed(clock, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    with ProgressBar("epoch 2/3", 100, "steps", done=50, stream=io.StringIO()) as part:
        clock.now += 20
        part.note("loss 0.25")
        part.update(10)
    assert lines(caplog) == ["epoch 2/3: 60 of 100 steps, about 80 s left, loss 0.25"]


def test_a_part_of_unknown_length_says_how_many_are_done(clock, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    with ProgressBar("looking for pictures", None, "files", stream=io.StringIO()) as part:
        clock.now += 20
        part.update(12_345)
    assert lines(caplog) == ["looking for pictures: 12,345 files"]


def test_a_process_beside_the_first_is_silent(clock, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    terminal = Terminal()
    with ProgressBar("epoch 1/1", 100, shown=False, stream=terminal) as part:
        clock.now += 50
        part.update(50)
        part.note("loss 1")
    assert lines(caplog) == []
    assert terminal.getvalue() == ""


def test_a_terminal_gets_a_bar_that_goes_away_and_no_lines(monkeypatch, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    monkeypatch.setattr(progress, "_BAR_AFTER", 0)
    monkeypatch.setattr(progress, "_FIRST_AFTER", 0)
    terminal = Terminal()
    with ProgressBar("decoding", 10, stream=terminal) as part:
        part.note("loss 0.5")
        part.update(10)
    assert "decoding" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")  # the line is free again
    assert lines(caplog) == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5_900, "98 min"),
        (7_800, "2 h 10 min"),
    ],
)
def test_durations_are_told_in_two_units_at_most(seconds, text):
    assert duration(seconds) == text


def test_parts_pass_through_and_are_counted_as_their_reader_goes(clock, caplog):
    caplog.set_level(logging.INFO, "fewshot")
    seen = []
    for part in followed("abcd", "evaluating", "evaluators"):
        clock.now += 15
        seen.append(part)
    assert seen == list("abcd")
    assert lines(caplog) == [
        "evaluating: 1 of 4 evaluators, about 45 s left",
        "evaluating: 3 of 4 evaluators, about 15 s left",
    ]


def test_a_line_of_the_log_does_not_run_into_a_bar(monkeypatch):
    monkeypatch.setattr(progress, "_BAR_AFTER", 0)
    terminal = Terminal()
    logger = logging.getLogger("fewshot.bar_test")
    logger.propagate = False
    handler = console._Handler(terminal)
    logger.addHandler(handler)
    with ProgressBar("decoding", 10, stream=terminal) as part:
        part.update(5)
        logger.error("a file is broken")
    shown = terminal.getvalue()
    before, after = shown.split("a file is broken\n")
    assert before.endswith("\r")  # the bar was wiped before,
    assert "decoding" in after  # and stands below the line again
