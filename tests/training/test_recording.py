"""Which streams wait for which, as CUDA would be told; tests elsewhere record on a tape."""

import itertools
from contextlib import contextmanager

import pytest
import torch

from fewshot.errors import UserError
from fewshot.training.recording import CudaRecorder, recorder_for

DEVICE = torch.device("cuda:0")


class Streams:
    """The streams of a device that notes who waits for whom, and what is done on which."""

    def __init__(self, monkeypatch):
        self.done, self.names = [], itertools.cycle(("own", "side"))
        self.current = self.stream_named("main")
        monkeypatch.setattr(torch.cuda, "Stream", lambda device: self.stream_named())
        monkeypatch.setattr(torch.cuda, "current_stream", lambda device=None: self.current)
        monkeypatch.setattr(torch.cuda, "stream", self.entered)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
        monkeypatch.setattr(torch.cuda, "graph", self.recording)

    def stream_named(self, name=None):
        stream = type("Stream", (), {"device": DEVICE, "name": name or next(self.names)})()
        stream.wait_stream = lambda other: self.done.append(f"{stream.name} waits for {other.name}")
        return stream

    @contextmanager
    def entered(self, stream):
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    @contextmanager
    def recording(self, graph, stream, capture_error_mode):
        self.done.append(f"recording on {stream.name}, {capture_error_mode}")
        try:
            with self.entered(stream):
                yield
        except BaseException:
            raise RuntimeError("an error of before, in ending the recording") from None
        self.done.append("recorded")

    def work(self, what):
        self.done.append(f"{what} on {self.current.name}")


class Graph:
    def replay(self):
        """Does what was recorded."""


@pytest.fixture
def streams(monkeypatch):
    return Streams(monkeypatch)


def test_what_is_done_apart_is_in_order_with_what_comes_before_and_after(streams):
    with CudaRecorder(DEVICE).apart():
        streams.work("a step")
    assert streams.done == ["own waits for main", "a step on own", "main waits for own"]
    with pytest.raises(ZeroDivisionError), CudaRecorder(DEVICE).apart():
        raise ZeroDivisionError
    assert streams.done[-1] == "main waits for own"


def test_a_branch_leaves_the_stream_that_is_recorded_and_comes_back_to_it(streams):
    recorder = CudaRecorder(DEVICE)

    def work():
        streams.work("before")
        with recorder.beside():
            streams.work("a branch")
        streams.work("meanwhile")
        recorder.join()
        streams.work("after")
        return "a result"

    replay, result = recorder.record(work)
    assert result == "a result" and replay.__name__ == "replay"
    assert streams.done == [
        "recording on own, thread_local",
        "before on own",
        "side waits for own",
        "a branch on side",
        "meanwhile on own",
        "own waits for side",
        "after on own",
        "recorded",
    ]


@pytest.mark.parametrize(
    "error",
    [
        UserError("bind another"),
        RuntimeError("not permitted in a capture"),
        KeyboardInterrupt("go"),
    ],
)
def test_what_broke_a_recording_is_told_not_that_it_could_not_be_ended(streams, error):
    def work():
        raise error

    with pytest.raises(type(error), match=str(error)):
        CudaRecorder(DEVICE).record(work)


def test_only_cuda_records(streams):
    assert isinstance(recorder_for(DEVICE), CudaRecorder)
    assert recorder_for(torch.device("cpu")) is None
