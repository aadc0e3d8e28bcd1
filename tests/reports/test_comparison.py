"""Runs side by side, through the command line."""

import json

import pandas as pd
import pytest

from fewshot.__main__ import main
from fewshot.sections import Section
from tests.reports.test_images_page import matrix, write

NAMES = ("a", "b")


def make_run(folder, name, said, config, with_images=True):
    folder.mkdir()
    if with_images:
        write(folder, [Section("Cells", [matrix(NAMES)])])
    test = {"n": 4, "top1": sum(one == "a" for one in said) / 4}
    results = {"name": name, "epochs": 2, "train_seconds": 60, "seed": 1, "test": test}
    (folder / "results.json").write_text(json.dumps(results))
    ids = [f"id{i}" for i in range(4)]
    table = pd.DataFrame({"id": ids, "label": ["a"] * 4, "class_1": said, "score_1": 0.5})
    table.to_csv(folder / "predictions.csv", index=False)
    (folder / "config.gin").write_text(config)
    rows = [{"split": "validation", "epoch": e, "loss": 1 / e, "top1": e / 4} for e in (1, 2)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def runs(tmp_path):
    config = "main.seed = {}\nmain.num_epochs = 2\n"
    return (
        make_run(tmp_path / "one", "one <1>", list("bbba"), config.format(1)),
        make_run(tmp_path / "two", "two", list("aaba"), config.format(2)),
        make_run(tmp_path / "three", "three", list("aaaa"), config.format(1), with_images=False),
    )


def test_the_terminal_shows_figures_chance_bindings_and_disagreement(runs, capsys):
    files = [["/clone/configs/transfer.gin"], ["/clone/configs/transfer.gin", "/clone/fast.gin"]]
    for folder, given in zip(runs, files, strict=False):
        (folder / "environment.json").write_text(json.dumps({"config_files": given}))
    assert main(["compare", str(runs[0]), str(runs[1])]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "test / top-1 0.2500 0.7500" in lines
    (paired,) = (line for line in lines if line.startswith("A, B top-1"))
    assert paired.startswith("A, B top-1 0.2500 0.7500 0.5000 +")
    assert paired.endswith("0.5000 4")  # of two disputed images both are the second run's
    assert "main.seed 1 (config.gin:1) 2 (config.gin:1)" in lines
    assert "config files transfer.gin transfer.gin, fast.gin" in lines
    assert not any(line.startswith("main.num_epochs") for line in lines)
    assert "a b a 2" in lines
    told = "They differ on 2 of 4 images: 0 that A alone has right, 2 that B alone has right."
    assert told in lines


def test_csv_and_page_of_three_runs(runs, tmp_path, capsys):
    files = {name: tmp_path / f"compared.{name}" for name in ("csv", "html")}
    options = [f"--{name}={path}" for name, path in files.items()]
    assert main(["compare", *map(str, runs), *options]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [str(path) for path in files.values()]
    table = pd.read_csv(files["csv"])
    paired = table[table["figure"] == "paired/top1"].set_index("second")
    assert paired.loc["two", "difference"] == 0.5
    assert paired.loc["three", "p"] == 0.25
    assert (table["first"] == "one <1>").all()
    assert table[table["figure"] == "test/top-1"]["difference"].tolist() == [0.75, 0.5]
    page = files["html"].read_text()
    assert "one &lt;1&gt; and two and three" in page
    assert page.count("data:image/png;base64,") == 1  # the curves
    assert page.count("data:image/jpeg;base64,") == 2  # one for each two runs
    assert page.count("role=img aria-label='id0: id0'") == 2  # against either run
    assert "A says b, B says a (2)" in page


def test_runs_without_common_images_say_so(runs, capsys):
    table = pd.read_csv(runs[1] / "predictions.csv").assign(id="elsewhere")
    table.to_csv(runs[1] / "predictions.csv", index=False)
    assert main(["compare", str(runs[0]), str(runs[1])]) == 0
    assert "A and B have no labelled test image in common." in capsys.readouterr().out


def test_a_run_alone_and_pages_of_episodes_are_refused(runs, tmp_path, capsys):
    assert main(["compare", str(runs[0])]) == 2
    assert "alone is given: name two runs or more." in capsys.readouterr().err
    assert main(["compare", str(runs[0]), str(tmp_path / "nowhere")]) == 2
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--csv", "--html"])
def test_a_folder_to_write_is_refused_before_anything_is_compared(runs, tmp_path, capsys, option):
    assert main(["compare", *map(str, runs), option, str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert f"'{tmp_path}' is a folder: name a file to write" in told.err
    assert told.out == ""


def test_images_come_from_whichever_run_kept_them(runs, tmp_path, capsys):
    page = tmp_path / "compared.html"
    (runs[0] / "thumbnails.jpg").unlink()
    assert main(["compare", str(runs[0]), str(runs[1]), "--html", str(page)]) == 0
    assert page.read_text().count("role=img aria-label='id0: id0'") == 1  # the second run's
    (runs[1] / "thumbnails.jpg").write_bytes(b"no picture")
    assert main(["compare", str(runs[0]), str(runs[1])]) == 2
    assert "thumbnails.jpg is damaged" in capsys.readouterr().err
    (runs[1] / "thumbnails.jpg").unlink()
    assert main(["compare", str(runs[0]), str(runs[1]), "--html", str(page)]) == 0
    assert "Images where" not in page.read_text()
