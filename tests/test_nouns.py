"""The nouns stay apart: what a module may import is part of the design."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "fewshot"
BASE = {"errors", "seeding", "interfaces"}
ALLOWED = {
    "errors": set(),
    "files": {"errors"},
    "seeding": set(),
    "interfaces": set(),
    "compilation": {"errors"},
    "console": {"errors"},
    "data": BASE | {"console", "data"},  # console: for its command lines
    "encoders": BASE | {"encoders"},
    "objectives": BASE | {"files", "encoders", "objectives"},
    "heads": {"errors", "heads"},
    "reports": {"errors", "files", "reports"},
    "evaluation": BASE | {"compilation", "heads", "reports", "evaluation"},
    "artifacts": BASE | {"files"},
    "checkpoint": BASE | {"files", "artifacts"},
    "training": BASE | {"compilation", "files", "artifacts", "checkpoint", "training"},
    "trainer": BASE | {"training"},
}


def imported(path: Path) -> set[str]:
    """The second-level names under `fewshot` that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "fewshot":
            names = [f"fewshot.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("fewshot.")}
    return found


def files(noun: str) -> list[Path]:
    single = PACKAGE / f"{noun}.py"
    return [single] if single.is_file() else sorted((PACKAGE / noun).rglob("*.py"))


@pytest.mark.parametrize("noun", sorted(ALLOWED))
def test_a_noun_imports_only_what_it_may_know(noun):
    assert files(noun), f"no file for {noun}: the layout changed"
    for path in files(noun):
        extra = imported(path) - ALLOWED[noun]
        assert not extra, f"{path.relative_to(PACKAGE)} must not know of {sorted(extra)}"


def test_the_trainer_names_no_method():
    loop = [*files("trainer"), *files("training"), *files("checkpoint")]
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
