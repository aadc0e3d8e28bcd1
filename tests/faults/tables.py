"""Cases of CSVs, .gin files, -p bindings and plans that are mistyped."""

import csv
import io
import random
from pathlib import Path

from tests.binding.test_mistakes import BUILT, READ, lines
from tests.faults.files import damaged, mistyped
from tests.faults.mutated import Case, silent_unless, told_in_words

CSV = (
    "id,gender,articleType,year,productDisplayName\n"
    '1,Men,Shirts,2010,"Blue, long shirt"\n2,Women,Tops,2011,Red "top"\n'
    '3,Men,Shirts,2012,"Said ""fine"", twice"\n4,Boys,Caps,2013,Cap, blue\n'
    "5,Women,Tops,2014,Été あ\n6,Men,Caps,2015,=1+1\n"
)
PLAN = """title = "Methods"
figures = ["test/top1"]

[[runs]]
name = "a"
configs = ["configs/transfer.gin"]
bindings = ["main.num_epochs = 1"]
columns = {method = "a", labels = 10}

[[runs]]
name = "b"
configs = ["configs/finetune.gin"]
after = "a"
theirs = {"test/top1" = 0.5}
"""


def csv_cases(folder: Path) -> Case:
    """Split CSVs: every cell that is read is the one that is there."""
    from fewshot.data.tables.table import read_table

    path = folder / "styles.csv"

    def case(rng: random.Random) -> str:
        if rng.random() < 0.3:
            path.write_bytes(damaged(CSV.encode(), rng))
        else:
            path.write_text(mistyped(CSV, rng), encoding="utf-8", newline="")
        return told_in_words(lambda: _as_it_stands(read_table(path), path))

    return case


def _as_it_stands(table: object, path: Path) -> None:
    """Where every row has as many cells as the header, they are what csv's own reader finds."""
    text = path.read_bytes().decode("utf-8-sig")
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except csv.Error:
        return
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if any(len(row) != len(rows[0]) for row in rows) or "\n" in "".join(rows[0]):
        return
    names = [name.strip() for name in rows[0]]
    wanted = [row[names.index("id")].strip() for row in rows[1:]]
    ids = table["id"].tolist()  # type: ignore[index]
    silent_unless(ids == wanted, "ids", ids, wanted)


def split_cases(folder: Path) -> Case:
    """The same CSVs, through the splits and the audit commands."""
    from fewshot.__main__ import main

    path = folder / "styles.csv"

    def case(rng: random.Random) -> str:
        path.write_text(mistyped(CSV, rng), encoding="utf-8", newline="")
        code = main(["splits", str(path), str(folder / "out"), "--top", "2"])
        return {0: "read", 2: "refused"}.get(code, f"exit code {code}")

    return case


def gin_cases(folder: Path) -> Case:
    """Config files, by themselves and with what they include."""
    from fewshot.binding import config

    texts = [Path(f"configs/{name}.gin").read_text() for name in ("transfer", "triplet", "simclr")]
    path = folder / "own.gin"

    def case(rng: random.Random) -> str:
        text = mistyped(rng.choice(texts), rng)
        if rng.random() < 0.2:
            path.write_bytes(damaged(text.encode(), rng))
        else:
            path.write_text(text)
        return told_in_words(lambda: config.load([str(path)], []) and None)

    return case


def binding_cases(_folder: Path) -> Case:
    """-p: mistakes that people make, and those mistyped once more."""
    from fewshot.binding import config

    known = [*lines(READ), *(text for line in lines(BUILT) for text in line.split(";"))]

    def case(rng: random.Random) -> str:
        text = rng.choice(known)
        if rng.random() < 0.7:
            text = mistyped(text, rng)
        return told_in_words(lambda: config.load(["configs/transfer.gin"], [text]) and None)

    return case


def plan_cases(folder: Path) -> Case:
    """A study's plan in TOML."""
    from fewshot.studies.plan import read_plan

    path = folder / "plan.toml"

    def use() -> None:
        plan = read_plan(path)
        runs = plan.with_needed(list(plan.runs))
        for run in runs:
            run.with_more(["x.gin"], ["a.b = 1"]).run()
            hash(run.alike)

    def case(rng: random.Random) -> str:
        text = mistyped(PLAN, rng)
        if rng.random() < 0.5:
            line = rng.choice([line for line in PLAN.splitlines() if " = " in line])
            value = rng.choice(["3", '"x"', "[]", "[3]", "{}", "true", "{a = [1]}", "1979-05-27"])
            text = PLAN.replace(line, f"{line.partition(' = ')[0]} = {value}")
        path.write_text(text, encoding="utf-8")
        return told_in_words(use)

    return case
