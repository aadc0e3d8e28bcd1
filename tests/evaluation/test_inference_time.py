import pytest
import torch

from fewshot.errors import UserError
from fewshot.evaluation import inference_time
from fewshot.evaluation.inference_time import InferenceTime
from tests.evaluation.fakes import PixelClassifier, PixelObjective, random_dataset


class Counting(PixelObjective):
    calls = 0

    def embed(self, images):
        assert len(images) == 1
        self.calls += 1
        return super().embed(images)


def test_median_of_the_repeats_at_batch_one(monkeypatch):
    ticks = iter([0.0, 0.001, 1.0, 1.002, 2.0, 2.009])
    monkeypatch.setattr(inference_time.time, "perf_counter", lambda: next(ticks))
    objective = Counting()
    evaluation = InferenceTime(3, 2)(objective, {"test": random_dataset(5)})
    assert evaluation.metrics["inference"]["milliseconds"] == pytest.approx(2.0)
    assert evaluation.metrics["inference"]["repeats"] == 3
    assert "compiled_milliseconds" not in evaluation.metrics["inference"]
    assert objective.calls == 5


def test_compiled_on_request(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda forward: forward)
    evaluation = InferenceTime(3, 0, True)(PixelClassifier("ab"), {"test": random_dataset(5)})
    assert evaluation.metrics["inference"]["compiled_milliseconds"] > 0


def test_a_machine_without_a_compiler(monkeypatch):
    def refuse(forward):
        def run(images):
            raise RuntimeError("no g++ here\ntrace")

        return run

    monkeypatch.setattr(torch, "compile", refuse)
    with pytest.raises(UserError) as error:
        InferenceTime(1, 0, True)(PixelObjective(), {"test": random_dataset(5)})
    assert str(error.value) == (
        "torch.compile failed on this machine (RuntimeError: no g++ here): install a C++ compiler "
        "such as g++, or bind InferenceTime.compiled = False."
    )


def test_repeats():
    with pytest.raises(UserError, match=r"InferenceTime\.repeats is 0: use 1 or more"):
        InferenceTime(0)


def test_the_runs_precision_is_left_out():
    class Typed(PixelClassifier):
        def scores(self, images):
            self.dtype = torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2)).dtype
            return super().scores(images)

    objective = Typed("ab")
    with torch.autocast("cpu", torch.bfloat16):
        figures = InferenceTime(1, 0)(objective, {"test": random_dataset(5)}).metrics["inference"]
    assert objective.dtype == torch.float32
    assert figures["precision"] == "float32"
