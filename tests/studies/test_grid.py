import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.studies.grid import planned, point_name

RATES = ["--vary", "torch.optim.Adam.lr", "1e-3", "1e-1"]


def test_every_combination_is_run_with_every_seed(tmp_path, tiny, in_process, capsys):
    arguments = ["study", "grid", "configs/transfer.gin", "--output-dir", str(tmp_path), *tiny]
    arguments += [*RATES, "--seeds", "0", "1"]
    assert main(arguments) == 0
    assert len(in_process) == 4
    place = tmp_path / "grid-transfer"
    table = pd.read_csv(place / "table.csv")
    assert table["torch.optim.Adam.lr"].astype(str).isin(["0.001", "0.1"]).all()
    assert table["n"].tolist() == [2, 2]
    assert table["validation/top1"].is_monotonic_decreasing, "the best first"
    assert "chosen by validation/top1" in capsys.readouterr().out
    # one value more: what there is stays
    assert main([*arguments[:-3], "1e-2", *arguments[-3:]]) == 0
    assert len(in_process) == 6
    text = (place / in_process[0] / "config.gin").read_text()
    assert "torch.optim.Adam.lr = 0.001" in text


def test_points_have_names_of_their_own_that_are_folders():
    one = point_name({"torch.optim.Adam.lr": "1e-3", "main.schedule": "None"})
    assert one.startswith("lr=1e-3,schedule=None-")
    assert one != point_name({"torch.optim.SGD.lr": "1e-3", "main.schedule": "None"})
    long = point_name({"A.b": "'/some/where'" * 40})
    assert "/" not in long
    assert len(long) < 150


@pytest.mark.parametrize(
    ("vary", "seeds", "text"),
    [
        ([["a.b"]], [0], "--vary a.b has no value: write --vary a.b VALUE"),
        ([["a.b", "1"], ["a.b", "2"]], [0], "--vary names one twice: a.b, a.b"),
        ([["a.b", "1"]], [0, 0], "--seeds names one twice: 0, 0"),
    ],
)
def test_mistakes_are_named(vary, seeds, text):
    with pytest.raises(UserError, match=text):
        planned("a.gin", [], vary, [], seeds)
