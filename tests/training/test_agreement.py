import os
import signal
import types

import pytest
import torch.distributed as dist

from fewshot.errors import UserError
from fewshot.training import agreement
from fewshot.training.agreement import (
    Stop,
    check_alike,
    from_main,
    others_may_be_lost,
)

ALONE = types.SimpleNamespace(world_size=1)


def _answers(monkeypatch, *answers):
    def gather(found, mine):
        found[:] = [mine, *answers]

    monkeypatch.setattr(agreement.dist, "all_gather_object", gather)


def test_what_differs_between_processes_is_named(monkeypatch):
    _answers(monkeypatch, (None, {"a": "1"}))
    check_alike(2, {"a": "1"})
    _answers(monkeypatch, (None, {"configuration": "a = 1\nb = 3"}))
    with pytest.raises(UserError) as caught:
        check_alike(2, {"configuration": "a = 1\nb = 2"})
    assert "the configuration of process 1 differs from that of process 0" in str(caught.value)
    assert "'b = 3' there, 'b = 2' here" in str(caught.value)


def test_what_one_process_is_refused_for_all_are(monkeypatch):
    _answers(monkeypatch, ("there is no model", {}), (None, {"a": "1"}))
    with pytest.raises(UserError, match=r"^there is no model$"):
        check_alike(3, {"a": "1"})
    with pytest.raises(UserError, match=r"^there is no CSV$"):
        check_alike(3, {}, "there is no CSV")


@pytest.mark.parametrize("main", [True, False])
def test_a_refusal_of_the_main_process_is_everyones(main):
    told = []

    def broadcast(value):
        told.append(value)
        return (None, "the disk is full")

    fabric = types.SimpleNamespace(world_size=2, is_global_zero=main, broadcast=broadcast)

    def full():
        raise UserError("the disk is full")

    with pytest.raises(UserError, match="the disk is full"):
        from_main(fabric, full)
    assert told == [(None, "the disk is full" if main else None)]
    assert from_main(ALONE, lambda: 3) == 3


def test_a_lost_process_is_said_and_nothing_else_is_taken_for_one(monkeypatch):
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:1] Connection closed by peer")
    with pytest.raises(RuntimeError, match="gloo"), others_may_be_lost("Go on."):
        raise lost
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    ended = pytest.raises(UserError, match="another process of this run has ended")
    with ended, others_may_be_lost("Go on with --resume x."):
        raise lost
    with pytest.raises(RuntimeError, match="shape"), others_may_be_lost("Go on."):
        raise RuntimeError("shape mismatch")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_heeded_after_the_step_and_a_second_one_at_once(number):
    stop, before = Stop(ALONE), signal.getsignal(number)
    with stop.heeded():
        assert not stop.due(1)
        os.kill(os.getpid(), number)
        assert stop.due(1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
