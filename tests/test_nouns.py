"""The nouns stay apart: what a module may import is part of the design."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fewshot"
BASE = {"errors", "seeding", "sharing", "batch", "interfaces", "sections", "spreadsheet"}
BASE |= {"allocation", "interrupts", "precision", "processes", "progress", "wording"}
# what may be known of other rooms: whole rooms, or single modules of them
ALLOWED = {
    "errors": set(),
    "seeding": {"splitmix"},
    "splitmix": set(),
    "allocation": set(),
    "precision": set(),
    "processes": set(),
    "progress": {"wording"},
    "wording": set(),
    "sections": set(),
    "spreadsheet": set(),
    "sharing": set(),
    "launcher": set(),
    "batch": {"sharing"},
    "interfaces": {"batch", "sections", "spreadsheet", "wording"},
    "machine_faults": set(),
    "interrupts": {"errors"},
    "console": {"errors", "interrupts", "launcher", "machine_faults"},
    "augmentation": BASE | {"augmentation"},
    # console: for its command lines; is_bound: which splits a user gave
    "data": BASE | {"console", "data", "binding.config", "experiment.files"} | {"containment"},
    "encoders": BASE | {"encoders"},
    "objectives": BASE | {"binding.filling", "encoders", "models", "objectives"},
    # registrations: a file names the classes that its parts are built of
    # data: photos are read as packs read them, and lists of them as tables are
    "models": BASE
    | {"console", "experiment.files", "experiment.tensor_bytes", "binding.registrations"}
    | {"augmentation.test_time", "data.images", "data.tables", "heads", "encoders", "models"}
    | {"containment"},
    "heads": {"errors", "precision", "progress", "heads"},
    "reports": BASE | {"console", "experiment.files", "reports"},
    "evaluation": BASE
    | {"augmentation.test_time", "training.compilation", "heads", "reports", "evaluation"},
    "experiment": BASE | {"containment", "experiment"},
    "training": BASE
    | {"binding.filling", "binding.registrations", "experiment", "training", "objectives"},
    "containment": set(),
    "demo": {"errors", "processes", "console", "data.images", "models", "demo"},
}


def imported(path: Path) -> set[str]:
    """The modules under `fewshot` that a file imports, wherever in it, as "room.module".

    What stands under `if __name__ == "__main__":` is the command line's way in, no part of a noun.
    """
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [
        node
        for node in tree.body
        if not (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test))
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "fewshot":
            names = [f"fewshot.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        found |= {name.removeprefix("fewshot.") for name in names if name.startswith("fewshot.")}
    return found


def known(name: str, allowed: set[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in allowed)


def files(noun: str) -> list[Path]:
    single = PACKAGE / f"{noun}.py"
    if single.is_file():
        return [single]
    return sorted(file for file in (PACKAGE / noun).rglob("*.py") if file.name != "__main__.py")


@pytest.mark.parametrize("noun", sorted(ALLOWED))
def test_a_noun_imports_only_what_it_may_know(noun):
    assert files(noun), f"no file for {noun}: the layout changed"
    for path in files(noun):
        extra = {name for name in imported(path) if not known(name, ALLOWED[noun])}
        assert not extra, f"{path.relative_to(PACKAGE)} must not know of {sorted(extra)}"


def test_the_trainer_names_no_method():
    loop = files("training")
    text = "\n".join(path.read_text(encoding="utf-8") for path in loop)
    methods = {
        node.name
        for path in files("objectives")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
    } - {"Objective"}
    assert "TripletNet" in methods
    assert not [name for name in methods if name in text]
    assert "isinstance(objective" not in text
