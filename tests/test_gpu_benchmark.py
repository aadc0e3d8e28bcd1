"""The benchmark that needs a card runs on the processor, too, at sizes that mean nothing."""

import re
from dataclasses import replace

import pytest
import torch

from benchmarks import gpu, gpu_steps
from benchmarks.gpu_cases import CASES
from benchmarks.gpu_steps import Bench, Measured, Repeated
from fewshot.training import capturing
from tests.training.tape import Tape

REHEARSAL = ["--rehearse", "--seconds", "0.01", "--limit", "1000"]


def lines(capsys):
    return capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_every_row_runs(capsys, shop, unpictured):
    bindings = [*shop.bindings(), "main.num_epochs = 1", "ShuffledBatches.batch_size = 8"]
    parameters = [word for binding in bindings for word in ("-p", binding)]
    assert gpu.main([*REHEARSAL, *parameters]) == 0
    printed = lines(capsys)
    assert "Error" not in "\n".join(printed)
    rows = [line for line in printed if re.match(r"\| .* \d", line)]
    for case in CASES:
        assert sum(row.startswith(f"| {case.name}, batch 4 |") for row in rows) >= 1
    for start in ("| 0 |", "| 1 |", "| ours, ties", "| torch, cdist", "| fast.gin, 1 seed(s) |"):
        assert sum(row.startswith(start) for row in rows) == 1, start
    assert re.search(r"\| 0\.935 in 10 s: (yes|\*\*no\*\*) \|$", printed[-1])


@pytest.mark.parametrize("number", [0, 4])
def test_rows_are_captured_where_the_device_captures(monkeypatch, tmp_path, number):
    tapes = [Tape(), Tape()]
    monkeypatch.setattr(gpu_steps, "recorder_for", lambda device: tapes[0])
    monkeypatch.setattr(capturing, "recorder_for", lambda device: tapes[1])
    bench = Bench(torch.device("cpu"), 0.01, 1, 4)
    found = gpu_steps.measured(CASES[number].tiny(), tmp_path, bench)
    assert tapes[0].recorded == 1 and tapes[0].replays > 3
    assert tapes[1].replays > 0
    assert len(found.program) == 1 and len(found.bare) == 3
    assert found.notes == []


def test_a_row_tells_medians_and_spread():
    found = Measured([900.0, 1000.0, 1100.0], [800.0, 950.0, 900.0], 123.4, [])
    case = replace(CASES[0], name="Net", batch=1024)
    assert found.row(case) == ("| Net, batch 1,024 | 1,000 | 900 | **0.90** | 0.80 to 0.95 | 123 |")


def test_an_epoch_is_as_long_as_it_has_to_be_and_the_same_again():
    sampler = Repeated(rows=10, batch=4, steps=7)
    assert len(sampler) == len(sampler.batches(0)) == 7
    twice = zip(sampler.batches(3), sampler.batches(3), strict=True)
    assert all((one == two).all() for one, two in twice)
    assert {len(rows) for rows in sampler.batches(1)} == {4}


def test_without_a_card_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 0
    (line,) = lines(capsys)
    assert line.startswith("torch sees no GPU here: nothing was measured")


def test_an_error_in_a_row_costs_the_others_nothing_but_the_exit_code(monkeypatch, capsys):
    def faulty(case, place, bench):
        if "ResNet" in case.name:
            raise RuntimeError("out of\n memory")
        return Measured([2.0], [1.0], 1.0, ["a note"])

    monkeypatch.setattr(gpu, "measured", faulty)
    assert gpu.main([*REHEARSAL, "rates"]) == 1
    printed = lines(capsys)
    assert "SmallResNet as fast.gin, batch 64: RuntimeError: out of memory" in printed
    assert "| CifarNet, crop + flip, batch 4 | 2 | 1 | **0.50** | 0.50 to 0.50 | 1 |" in printed
    assert "  a note" in printed


def test_what_there_is_no_time_for_is_left_out(capsys):
    assert gpu.main(["--rehearse", "--limit", "0"]) == 0
    assert lines(capsys)[1:] == [
        f"{part}: left out, the time is up (--limit)" for part in gpu.PARTS[:-1]
    ]


def test_a_part_that_there_is_not_is_refused(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["rates", "tea"])
    assert "no such part: tea" in capsys.readouterr().err
