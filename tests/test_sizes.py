"""What one reading can hold: modules of 200 lines at most, constructors of 8 arguments at most."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "fewshot"
LINES, ARGUMENTS = 200, 8
HANDED_OVER = {"self", "cls", "spec"}  # spec: the data's, which main gives to every objective
# what is larger still, and may shrink only
MORE_LINES: dict[str, int] = {}
MORE_ARGUMENTS: dict[str, int] = {}


def constructors(tree: ast.Module) -> dict[str, int]:
    """Arguments of each `__init__`, and of each registered dataclass: what one has to bind.

    Dataclasses that are not registered are records, built by one caller field by field.
    """
    found = {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        decorators = " ".join(ast.unparse(decorator) for decorator in node.decorator_list)
        if "dataclass" in decorators and "gin.register" in decorators:
            fields = [item for item in node.body if isinstance(item, ast.AnnAssign)]
            found[node.name] = sum("ClassVar" not in ast.unparse(f.annotation) for f in fields)
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                given = item.args.posonlyargs + item.args.args + item.args.kwonlyargs
                found[node.name] = len({one.arg for one in given} - HANDED_OVER)
    return found


def test_constructors_are_counted():
    code = """
@gin.register
@dataclass
class Few:
    a: int
    kind: ClassVar[int] = 1

class Many:
    def __init__(self, spec, a, /, b, *rest, c=1, **more): ...

@dataclass
class Record:
    a: int
"""
    assert constructors(ast.parse(code)) == {"Few": 1, "Many": 3}


def test_no_module_is_longer_than_one_reading():
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert len(lengths) > 200
    long = {name: n for name, n in lengths.items() if n > MORE_LINES.get(name, LINES)}
    assert not long, f"more than {LINES} lines: {long}; part them by what they are for"


def test_no_constructor_takes_more_than_one_can_bind():
    found: dict[str, int] = {}
    for path in PACKAGE.rglob("*.py"):
        found |= constructors(ast.parse(path.read_text(encoding="utf-8")))
    assert len(found) > 100
    large = {name: n for name, n in found.items() if n > MORE_ARGUMENTS.get(name, ARGUMENTS)}
    assert not large, f"more than {ARGUMENTS} arguments: {large}; group those that belong together"
