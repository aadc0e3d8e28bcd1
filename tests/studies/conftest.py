"""Studies whose runs are made in this process, which is faster than one process each."""

import sys

import pytest

import experiment
import fewshot.main
from fewshot.binding import config
from fewshot.errors import UserError
from fewshot.studies import runs
from fewshot.studies.engines.forked import Template

TINY = [
    "SmallResNet.widths = (8,)",
    "ShuffledBatches.batch_size = 8",
    "Hardware.precision = '32-true'",
    "main.num_epochs = 1",
    "main.validation_fraction = 0.25",
]


@pytest.fixture(autouse=True)
def no_log_handler(monkeypatch):
    """The handler would outlive the captured stderr that it writes to."""
    monkeypatch.setattr("fewshot.console.show_log", lambda: None)


@pytest.fixture
def in_process(monkeypatch, unpictured):
    """The names of the runs made, in order; without pictures and reports, which no study reads."""
    made = []

    def exit_code(command):
        given = experiment.parse(command[2:])
        try:
            fewshot.main.main(
                config.new_run(
                    given.config, given.parameter or [], given.name, given.output_dir, False
                )
            )
        except UserError as error:
            print(error, file=sys.stderr)
            return 2
        made.append(given.name)
        return 0

    monkeypatch.setattr(runs, "_exit_code", exit_code)

    def start(command, log, environment):
        log.write_text("")
        return Ended(exit_code(command))

    monkeypatch.setattr(runs, "start", start)
    monkeypatch.setattr(Template, "start", lambda *_: None)
    return made


class Ended:
    """A process that has ended, or by and by will."""

    def __init__(self, code, polls=0):
        self.code, self.polls = code, polls
        self.terminated = False

    def poll(self):
        self.polls -= 1
        return None if self.polls >= 0 else self.code

    def terminate(self):
        self.terminated = True


@pytest.fixture
def tiny(shop):
    """-p and bindings of a run of a second."""
    return [argument for binding in [*shop.bindings(), *TINY] for argument in ("-p", binding)]
