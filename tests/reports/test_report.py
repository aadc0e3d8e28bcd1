import json
import re

import pandas as pd
import pytest
from PIL import Image

from fewshot.__main__ import main
from fewshot.errors import UserError
from fewshot.reports import report
from fewshot.reports.contents import read_run
from fewshot.reports.findings import (
    all_figures,
    confident_mistakes,
    facts,
    headlines,
    worst_confusions,
)
from fewshot.reports.outline import chapters
from fewshot.reports.shown_figures import shown_figures


@pytest.fixture
def folder(tmp_path):
    """A finished run with a class of training rows, one without, and names that need escaping."""
    test = {
        "n": 30,
        "top1": 0.4333,
        "seen": {"n": 20, "top1": 0.65},
        "episodes": {"mean": 0.81, "ci95": 0.004, "n": 600},
    }
    results = {
        "name": "shop <1>",
        "seed": 7,
        "status": "completed",
        "selected_by": "validation/top1",
        "best_epoch": 2,
        "epochs": 3,
        "train_seconds": 75.0,
        "validation": {"n": 10, "top1": 0.7},
        "test": test,
    }
    (tmp_path / "results.json").write_text(json.dumps(results))
    rows = [
        {"split": "train", "epoch": epoch, "step": epoch, "seconds": 1.0, "loss": 1 / epoch}
        for epoch in (1, 2, 3)
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pd.DataFrame(
        {
            "class": ["<b>Bags</b>", "T-shirt/top"],
            "n": [20, 10],
            "n_train": [50, 0],
            "top1": [0.65, 0.0],
            "top5": [1.0, 0.0],
        }
    ).to_csv(tmp_path / "per_class.csv", index=False)
    pd.DataFrame(
        {
            "id": ["007", "1", "2"],
            "label": ["T-shirt/top", "T-shirt/top", "<b>Bags</b>"],
            "class_1": ["<b>Bags</b>"] * 3,
            "score_1": [0.5, 0.875, 1.0],
        }
    ).to_csv(tmp_path / "predictions.csv", index=False)
    (tmp_path / "environment.json").write_text(json.dumps({"versions": {"torch": "2.15.0"}}))
    (tmp_path / "config.gin").write_text(
        "# see https://example.org\nmain.objective = @TripletNet\n"
    )
    (tmp_path / "operative.gin").write_text("TripletNet.margin = 0.25\n")
    Image.new("RGB", (20, 20)).save(tmp_path / "confusion_matrix.png")
    return tmp_path


def test_both_reports_show_the_figures(folder):
    report.write_report(folder)
    page = (folder / "report.html").read_text()
    text = (folder / "report.md").read_text()
    for written in (page, text):
        for expected in ("0.4333", "0.6500", "0.8100 ± 0.0040", "1 min 15 s", "epoch 2", "2.15.0"):
            assert expected in written, expected
        assert "chosen by validation/top1" in written
        assert "TripletNet" in written
        assert "TripletNet.margin = 0.25" in written
        assert "Explore the map" not in written
    assert (folder / "curves.png").stat().st_size > 1000


def test_the_curves_say_why_they_end_elsewhere_than_the_tables(folder):
    logged = {"split": "validation", "epoch": 2, "step": 2, "seconds": 1.0, "top1": 0.69}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(logged) + "\n")
    report.write_report(folder)
    told = "Validation of epoch 2: top1 0.6900 in the curves and 0.7000 in the tables."
    for name in ("report.md", "report.html"):
        assert told in (folder / name).read_text().replace("\\", "")
    text = (folder / "metrics.jsonl").read_text().replace("0.69", "0.7")
    (folder / "metrics.jsonl").write_text(text)
    report.write_report(folder)
    assert "Validation of epoch" not in (folder / "report.html").read_text()


def test_names_are_escaped_and_unseen_classes_marked(folder):
    report.write_report(folder)
    page = (folder / "report.html").read_text()
    assert "<b>Bags</b>" not in page
    assert "&lt;b&gt;Bags&lt;/b&gt;" in page
    assert "T-shirt/top *" in page
    assert "* not a class of the model" in page
    assert "shop &lt;1&gt;" in page


def test_a_picture_of_panels_side_by_side_is_marked_for_narrow_windows(folder):
    report.write_report(folder)
    page = (folder / "report.html").read_text()
    assert "<figure class=wide style='--natural:1260px'><img alt='Learning curves'" in page
    assert "<figure><img alt='Confusion matrix'" in page


def test_the_page_needs_no_network(folder):
    report.write_report(folder)
    page = (folder / "report.html").read_text()
    assert re.findall(r"https?://[^\s<]*", page) == ["https://example.org"]  # config.gin's text
    assert not re.findall(r"(?:src|href)=[^>]*https?:|url\(|@import|<link", page)
    assert all(source.startswith("data:") for source in re.findall(r"src='([^']*)'", page))
    assert all(target.startswith("#s") for target in re.findall(r"href='([^']*)'", page))
    assert page.count("src='data:image/png;base64,") == 2


def test_worst_confusions_count_pairs_against_their_class(folder):
    found = worst_confusions(read_run(folder).predictions)
    assert found.to_dict("records") == [
        {
            "true class": "T-shirt/top",
            "taken for": "<b>Bags</b>",
            "images": 2,
            "share of class": pytest.approx(1.0),
        }
    ]


def test_mistakes_are_listed_from_the_surest_down(folder):
    found = confident_mistakes(read_run(folder).predictions)
    assert found["id"].tolist() == ["1", "007"]
    assert found["score"].tolist() == [0.875, 0.5]


def test_without_a_mistake_there_is_nothing_to_list():
    right = pd.DataFrame({"id": ["1"], "label": ["a"], "class_1": ["a"], "score_1": [1.0]})
    for predictions in (right, None, right[["id"]]):
        assert confident_mistakes(predictions).empty
        assert worst_confusions(predictions).empty


def test_figures_have_a_column_a_split_and_headlines_first(folder):
    figures = all_figures(read_run(folder).results)
    assert figures.columns.tolist() == ["figure", "validation", "test"]
    expected = ["top-1", "n", "seen / n", "seen / top-1", "episodes"]
    assert figures["figure"].tolist() == expected
    assert figures.loc[figures["figure"] == "seen / top-1", "test"].item() == 0.65


ALL = {"n": 9, "knn_top1": 0.5, "knn_ceiling": 1.0, "knn_seen": {"n": 9, "top1": 0.5}}
SOME = {"n": 9, "knn_top1": 0.5, "knn_ceiling": 0.8, "knn_seen": {"n": 7, "top1": 0.625}}


def test_figures_of_seen_classes_stand_where_they_are_others():
    shown = shown_figures({"validation": ALL, "test": SOME})
    names = ["n", "knn top-1", "knn ceiling", "knn seen / n", "knn seen / top-1"]
    assert shown.frame["figure"].tolist() == names
    assert shown.note.startswith("ceiling is the share of rows whose class the model was trained")


def test_figures_of_seen_classes_are_not_repeated_where_every_class_is():
    shown = shown_figures({"validation": ALL, "test": {**ALL, "groups": {"hats": ALL}}})
    names = ["n", "knn top-1", "groups / hats / n", "groups / hats / knn top-1"]
    assert shown.frame["figure"].tolist() == names
    assert shown.note.startswith("Every row is of a class that the model was trained on: ceiling")


def test_without_figures_of_seen_classes_none_are_explained():
    assert shown_figures({"test": {"n": 3, "top1": 0.5}}).note == ""
    assert shown_figures({"name": "x"}) is None


def test_a_command_with_quotes_in_it_can_be_read():
    command = ["experiment.py", "-p", "FashionDataset.root_dir='data/shop'"]
    found = dict(facts({}, {"command": command}).itertuples(index=False))
    assert found["command"] == """experiment.py -p "FashionDataset.root_dir='data/shop'\""""


SAMPLED = {"mean": 0.64, "ci95": 0.008, "n": 600}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (
            {"test": {"n": 30, "top1": 0.5, "top5": 1.0}, "validation": {"top1": 0.9}},
            [("0.5000", "test top-1", ""), ("30", "test images", "")],
        ),
        (
            {"test": {"top1": 0.5, "top5": 0.9, "ceiling": 0.8}},
            [
                ("0.5000", "test top-1", ""),
                ("0.9000", "test top-5", ""),
                ("0.8000", "test ceiling", ""),
            ],
        ),
        (
            {"test": {"top1": 1.0, "top5": 1.0, "ceiling": 1.0}},
            [("1.0000", "test top-1", "")],
        ),
        (
            {"selected_by": "validation/knn_top1", "validation": {"loss": 1.5, "knn_top1": 0.75}},
            [("0.7500", "validation knn top-1", "")],
        ),
        (
            {"test": {"n_classes": 31, "inductive": {"5way_1shot": {"KNN": SAMPLED}}}},
            [("0.6400", "test inductive / 5-way 1-shot / KNN", "± 0.0080 (n = 600)")],
        ),
        (
            {"epochs": 3, "best_epoch": 2, "train_seconds": 75},
            [("1 min 15 s", "training time", "epoch 2 of 3")],
        ),
        ({}, []),
    ],
)
def test_headlines(results, expected):
    assert [tuple(headline) for headline in headlines(results)] == expected


def test_facts_are_in_words(folder):
    run = read_run(folder)
    environment = {
        "command": ["experiment.py", "-p", "main.num_epochs = 3"],
        "git": {"commit": "abc", "dirty": True},
        "hardware": {"memory": 2**33, "gpus": []},
        "versions": {"torch": "2.15.0", "cuda": None},
    }
    found = dict(facts(run.results, environment).itertuples(index=False))
    assert found["command"] == "experiment.py -p 'main.num_epochs = 3'"
    assert found["git"] == "abc with uncommitted changes"
    assert found["hardware, memory"] == "8.0 GiB"
    assert found["versions"] == "torch 2.15.0"
    assert found["training time"] == "1 min 15 s"
    assert "hardware, gpus" not in found


def test_a_resumed_run_has_a_row_a_resumption_that_says_what_was_another():
    start = {"started": "2026-01-01T10:00", "threads": 2, "versions": {"torch": "1", "timm": "3"}}
    again = {"started": "2026-01-02T11:00", "threads": 8, "versions": {"torch": "2", "timm": "3"}}
    same = {**start, "started": "2026-01-03T12:00", "command": ["x"]}
    found = dict(facts({}, {**start, "resumed": [again, same]}).itertuples(index=False))
    assert found["resumed, 1"] == ("2026-01-02T11:00; threads 8 (was 2); versions torch 2 (was 1)")
    assert found["resumed, 2"] == "2026-01-03T12:00; all else the same"
    assert "resumed" not in found


def test_a_class_in_several_rows_gets_a_column_a_variant(folder):
    pd.DataFrame(
        {
            "head": ["KNN", "KNN", "LaplacianShot", "LaplacianShot"],
            "n_shot": [1, 1, 5, 5],
            "class": ["NA", "Hats"] * 2,
            "n": [9] * 4,
            "top1": [0.125, 0.25, 0.375, 0.5],
        }
    ).to_csv(folder / "few_shot_per_class.csv", index=False)
    found = {chapter.heading: chapter for chapter in chapters(read_run(folder))}
    table = found["Few shot per class"].parts[0].frame
    assert table.columns.tolist() == ["class", "KNN, 1-shot", "LaplacianShot, 5-shot"]
    assert table.to_numpy().tolist() == [["NA", 0.125, 0.375], ["Hats", 0.25, 0.5]]


def test_other_tables_and_pictures_and_the_map_are_shown(folder):
    (folder / "tables").mkdir()
    table = pd.DataFrame({"budget": [10], "mean": [0.5], "ci95": [0.01], "n": [3]})
    table.to_csv(folder / "tables" / "label_budgets.csv", index=False)
    Image.new("RGB", (9, 9)).save(folder / "sample_sheet.png")
    (folder / "embedding.html").write_text("<html>")
    report.write_report(folder)
    text = (folder / "report.md").read_text()
    assert "## Label budgets" in text
    assert "| 10 | 0.5000 ± 0.0100 (n = 3) |" in text
    assert "![Sample sheet](sample_sheet.png)" in text
    assert "](embedding.html)" in text
    assert "href='embedding.html'" in (folder / "report.html").read_text()


def test_the_same_folder_gives_the_same_bytes(folder):
    names = ("report.md", "report.html", "curves.png")
    report.write_report(folder)
    first = [(folder / name).read_bytes() for name in names]
    report.write_report(folder)
    assert [(folder / name).read_bytes() for name in names] == first


def test_optional_files_may_be_missing(tmp_path):
    (tmp_path / "results.json").write_text(json.dumps({"name": "x", "epochs": 0}))
    report.write_report(tmp_path)
    assert "nothing was trained" in (tmp_path / "report.md").read_text()


def test_command_line(folder, tmp_path_factory, capsys):
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    empty = tmp_path_factory.mktemp("empty")
    assert main(["report", str(empty)]) == 2
    assert f"{empty} holds no results.json" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["report"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("results.json", "{", r"results\.json is damaged"),
        ("results.json", "[1]", r"results\.json holds no JSON object but \[1\]"),
        ("environment.json", "{", r"environment\.json is damaged"),
        ("environment.json", '{"versions": 0.5}', r"is damaged \(versions is 0\.5\): run the"),
        ("results.json", '{"train_seconds": {}}', r"is damaged \(train_seconds is {}\): run the"),
        ("results.json", "[" * 100_000, r"results\.json is damaged"),
        ("metrics.jsonl", "[" * 100_000 + "\n{}\n", r"metrics\.jsonl, line 1, is damaged"),
        (
            "metrics.jsonl",
            '{"split": "train", "epoch": "1"}\n',
            r"damaged \(epoch is '1'\): remove",
        ),
        ("metrics.jsonl", "3\n", r"metrics\.jsonl, line 1, is damaged \(split is None\)"),
        ("metrics.jsonl", "{\n{}\n", r"metrics\.jsonl, line 1, is damaged .*: remove the line"),
        ("per_class.csv", 'class,n\n"a,1\n', r"per_class\.csv is damaged"),
        ("per_class.csv", f"class,n,n_train\na,1,{'9' * 30}\n", r"per_class\.csv is damaged"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_half_written_stays(folder, name, text, message):
    (folder / name).write_text(text)
    with pytest.raises(UserError, match=message):
        report.write_report(folder)
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_an_unfinished_last_row_of_metrics_is_left_out(folder):
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"split": "tra')
    assert [row["epoch"] for row in read_run(folder).history] == [1, 2, 3]


@pytest.mark.parametrize("name", ["config.gin", "results.json", "metrics.jsonl"])
def test_a_file_that_is_no_text_is_named(folder, name):
    (folder / name).write_bytes(b"\xff\xfe\xab")
    with pytest.raises(UserError, match=rf"{name} is damaged .*: run the experiment again"):
        report.write_report(folder)
