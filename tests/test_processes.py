import os

from fewshot import processes


def test_only_the_processors_that_this_process_may_use_are_counted(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3}, raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert processes.usable_processors() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    assert processes.usable_processors() == 64
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processes.usable_processors() == 1
