import logging
import struct

import pytest
import torch

from fewshot import splitmix
from fewshot.seeding import KeyedRandom
from fewshot.splitmix import OPERATIONS, agree, arithmetic, checked_kernels, kernels

CPU = torch.device("cpu")


def compiled(code, **defaults):
    """What torch's jiterator makes of the two kernels, by operations."""

    def draw(state, **given):
        values = {**defaults, **given}
        bits = splitmix._mix((state ^ values["flip"]) + values["add"])
        bits = splitmix._shifted(bits, values["shift"]) if values["shift"] else bits
        bits = bits % values["modulus"] if values["modulus"] else bits
        if values["span"] == 0:
            return bits
        low, span = (
            struct.unpack("<f", struct.pack("<i", values[name]))[0] for name in ("low", "span")
        )
        return (low + span * (bits.float() / 2**24)).view(torch.int32).long()

    def state(*columns):
        assert f"keyed_state_{len(columns)}(" in code
        return splitmix._state(torch.stack(columns, 1))

    return draw if "keyed_draw(" in code else state


def test_the_draws_of_some_keys_stay_what_published_runs_drew():
    drawn = KeyedRandom(torch.tensor([[0, 0, 0], [7, -3, 1 << 40]]))
    assert drawn.integers(1 << 62).tolist() == [3352240730115306550, 3540366043304350749]
    assert drawn.fold(2).integers(1000).tolist() == [918, 881]
    assert drawn.uniform(-1, 3).tolist() == [1.507002353668213, -0.5475592613220215]


def test_kernels_draw_what_operations_draw():
    found = kernels(compiled)
    assert agree(found, CPU)
    wide = torch.arange(36).view(3, 12)
    assert torch.equal(found.state(wide), OPERATIONS.state(wide))


@pytest.mark.parametrize("wrong", ["add", "low", "modulus"])
def test_kernels_that_are_wrong_are_noticed(wrong):
    def mistaken(code, **defaults):
        right = compiled(code, **defaults)
        return lambda *given, **scalars: (
            right(*given, **{**scalars, wrong: 7}) if scalars else (right(*given))
        )

    assert not agree(kernels(mistaken), CPU)


@pytest.mark.parametrize("fault", ["wrong", "none"])
def test_a_device_that_cannot_draw_by_kernels_draws_by_operations(monkeypatch, caplog, fault):
    def made(code, **defaults):
        if fault == "none":
            raise RuntimeError("no compiler here")
        return lambda first, *others, **scalars: first

    caplog.set_level(logging.DEBUG, "fewshot")
    monkeypatch.setattr("torch.cuda.jiterator._create_jit_fn", made)
    assert checked_kernels(CPU) is OPERATIONS
    said = [record.getMessage() for record in caplog.records]
    assert (
        said
        == {
            "wrong": ["compiled draws on cpu differ from those of a processor: not used"],
            "none": ["draws on cpu are not compiled: no compiler here"],
        }[fault]
    )


def test_kernels_are_made_once_a_device_and_never_while_a_step_is_recorded(monkeypatch):
    made = []
    monkeypatch.setattr(splitmix, "_known", {})
    monkeypatch.setattr("torch.cuda.jiterator._create_jit_fn", compiled)
    monkeypatch.setattr(splitmix, "agree", lambda found, device: made.append(found) or True)
    for recording, expected in ((True, 0), (False, 1), (True, 1), (False, 1)):
        monkeypatch.setattr("torch.cuda.is_current_stream_capturing", lambda now=recording: now)
        found = arithmetic(torch.device("cuda:0"))
        assert len(made) == expected
        assert found is (made[0] if made else OPERATIONS)
    assert arithmetic(CPU) is OPERATIONS
