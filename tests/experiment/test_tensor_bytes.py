import random

import pytest
import torch

from fewshot.experiment.tensor_bytes import DamagedError, sealed, serialised, unsealed

CONTENTS = {"weights": torch.arange(300.0), "epoch": 3}


def test_what_was_sealed_comes_back_with_or_without_a_digest():
    for data in (sealed(CONTENTS), serialised(CONTENTS)):
        found = unsealed(data)
        assert torch.equal(found["weights"], CONTENTS["weights"]) and found["epoch"] == 3


def test_any_flipped_bit_and_any_cut_is_noticed():
    data = sealed(CONTENTS)
    draw = random.Random(0)
    for _ in range(200):
        changed = bytearray(data)
        changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        with pytest.raises(DamagedError):
            unsealed(bytes(changed))
        with pytest.raises(DamagedError):
            unsealed(data[: draw.randrange(len(data))])


def test_an_interrupt_while_it_is_made_stays_an_interrupt(monkeypatch):
    def interrupted(contents, file):
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        serialised(CONTENTS)
