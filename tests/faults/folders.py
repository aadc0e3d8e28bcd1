"""Cases of the files of a finished run, which reports, comparisons and --resume read."""

import json
import random
import shutil
from pathlib import Path

from tests.faults.files import damaged, mistyped, one_wrong_field
from tests.faults.mutated import Case, told_in_words

DEEP = "[" * 100_000


def _finished(folder: Path) -> Path:
    """What a run leaves, but for its pictures and its model."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    run.mkdir(parents=True)
    figures = {"n": 2, "top1": 0.5, "mean_class_top1": 0.5, "ceiling": 1.0, "seen": {"n": 2}}
    results = {
        "name": "run", "config": ["configs/transfer.gin"], "seed": 0, "status": "completed",
        "selected_by": "validation/top1", "best_epoch": 1, "epochs": 2, "train_seconds": 1.5,
        "validation": figures, "test": {**figures, "sampled": {"mean": 0.5, "ci95": 0.1, "n": 9}},
    }  # fmt: skip
    rows = [
        {
            "split": split,
            "epoch": epoch,
            "step": 3 * epoch,
            "seconds": 0.5,
            "top1": 0.5,
            "loss": 1.0,
        }
        for epoch in (1, 2)
        for split in ("train", "validation")
    ]
    environment = {
        **{"command": ["python"], "seed": 0, "plugin_folders": [], "versions": {"a": "1"}},
        **{"hardware": {"cpu": "x", "gpus": []}, "git": {"commit": "c", "dirty": False}},
    }
    sections = [
        {"heading": "Classes", "order": 10, "console": True,
         "blocks": [{"table": "per_class.csv", "note": "", "across": []}, {"note": "few"},
                    {"picture": "run.png", "caption": "a"}, {"link": "config.gin", "text": "b"}]}
    ]  # fmt: skip
    (run / "results.json").write_text(json.dumps(results))
    (run / "environment.json").write_text(json.dumps(environment))
    (run / "sections.json").write_text(json.dumps(sections))
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "config.gin").write_text("main.num_epochs = 2\nmain.seed = 0\n")
    (run / "per_class.csv").write_text(
        "class,n,n_train,top1,top5\nBags,1,2,1.0,1.0\nHats,1,2,0,1\n"
    )
    columns = ",".join(f"class_{n},score_{n}" for n in (1, 2))
    (run / "predictions.csv").write_text(
        f"id,label,{columns}\n1,Bags,Bags,0.9,Hats,0.1\n2,Hats,Bags,0.6,Hats,0.4\n"
    )
    return run


def report_cases(folder: Path) -> Case:
    """One file damaged, then `report`, `compare`, `diff` or reading the config again."""
    from fewshot.__main__ import main
    from fewshot.binding import config
    from fewshot.reports import report

    report.learning_curves = lambda *_: None  # type: ignore[attr-defined]
    whole = _finished(folder / "whole")
    run = folder / "damaged"
    kept = {path.name: path.read_bytes() for path in whole.iterdir()}

    def use(way: int) -> str:
        if way == 0:
            return told_in_words(lambda: main(["report", str(run)]))
        if way == 1:
            return told_in_words(lambda: main(["compare", str(whole), str(run)]))
        if way == 2:
            first, second = (str(place / "config.gin") for place in (whole, run))
            return told_in_words(lambda: main(["diff", first, second]))
        return told_in_words(lambda: config.resumed_run(str(run), True) and None)

    def case(rng: random.Random) -> str:
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        for name, content in kept.items():
            (run / name).write_bytes(content)
        name = rng.choice(list(kept))
        (run / name).write_bytes(_changed(name, kept[name], rng))
        return use(rng.choice((0, 0, 1, 2, 3)))

    return case


def _changed(name: str, content: bytes, rng: random.Random) -> bytes:
    way = rng.random()
    if way < 0.02:
        return DEEP.encode()
    if name.endswith(".json") and way < 0.6:
        return json.dumps(one_wrong_field(json.loads(content), rng)).encode()
    if name.endswith(".jsonl") and way < 0.6:
        lines = content.splitlines()
        at = rng.randrange(len(lines))
        lines[at] = json.dumps(one_wrong_field(json.loads(lines[at]), rng)).encode()
        return b"\n".join(lines) + b"\n"
    if way < 0.8:
        return mistyped(content.decode(), rng).encode("utf-8", "surrogatepass")
    return damaged(content, rng)


def note_cases(folder: Path) -> Case:
    """import.json and a pack's notes: what an importer and a list of images say of themselves."""
    from fewshot.data.images.store import open_store
    from fewshot.data.importers.root import ImportNote, make_root

    root = folder / "root"
    root.mkdir(exist_ok=True)
    (root / "images.csv").write_text("id,path\n1,a.jpg\n")
    note = ImportNote("ImageFolder", folder, {"top": 2})
    facts = note.facts() | {"folders": [str(folder)]}

    def case(rng: random.Random) -> str:
        content = _changed("import.json", json.dumps(facts).encode(), rng)
        (root / "import.json").write_bytes(content)

        def use() -> None:
            open_store(root).find(["1"])
            make_root(root, note, lambda _: None)

        return told_in_words(use)

    return case
