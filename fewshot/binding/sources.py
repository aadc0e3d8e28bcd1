"""What this project registers, read from its sources: to name a thing costs no import of it."""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gin.selector_map import SelectorMap

import fewshot

_DECORATORS = ("gin.register", "gin.configurable")
Functions = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Declared:
    """One `@gin.register` of a source file.

    module: where it stands; documentation: its own docstring; parameters: names that a config may
    bind, in order; takes_any: whether it has **kwargs for others.
    """

    module: str
    documentation: str
    parameters: tuple[str, ...]
    takes_any: bool


@dataclass(frozen=True)
class _Source:
    """A module's name and what stands in it at the top level."""

    module: str
    body: list[ast.stmt]

    def defined(self, name: str) -> "tuple[_Source, ast.ClassDef] | None":
        """The class of that name, here or in the module of this project that it comes from."""
        for node in self.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return self, node
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fewshot."):
                original = {alias.asname or alias.name: alias.name for alias in node.names}
                if name in original and (source := _source(node.module or "")):
                    return source.defined(original[name])
        return None


def declared() -> SelectorMap:
    """Full name -> Declared, of all modules of this project, with gin's ways to shorten names."""
    return _declared(tuple(fewshot.__path__))


@functools.cache
def _declared(folders: tuple[str, ...]) -> SelectorMap:
    found = SelectorMap()
    for folder in map(Path, folders):
        for path in sorted(folder.rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if any(f"\n@{decorator}" in text for decorator in _DECORATORS):
                parts = path.relative_to(folder).with_suffix("").parts
                module = ".".join(("fewshot", *parts)).removesuffix(".__init__")
                for name, one in _declarations(_Source(module, ast.parse(text).body)):
                    found[f"{module}.{name}"] = one
    _source.cache_clear()
    return found


@functools.cache
def _source(module: str) -> _Source | None:
    """A module of this project, read; None where it is no file."""
    for folder in fewshot.__path__:
        path = Path(folder, *module.split(".")[1:]).with_suffix(".py")
        if path.is_file():
            return _Source(module, ast.parse(path.read_text(encoding="utf-8")).body)
    return None


def _declarations(source: _Source) -> Iterator[tuple[str, Declared]]:
    for node in source.body:
        if not isinstance(node, ast.ClassDef | Functions):
            continue
        registering = [one for one in node.decorator_list if _name_of(one) in _DECORATORS]
        if not registering:
            continue
        parameters, takes_any = _constructor(source, node) or ((), True)
        left_out = _denied(registering[0])
        parameters = tuple(name for name in parameters if name not in left_out)
        documentation = ast.get_docstring(node) or ""
        yield node.name, Declared(source.module, documentation, parameters, takes_any)


def _name_of(decorator: ast.expr) -> str:
    return ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator)


def _denied(decorator: ast.expr) -> list[str]:
    """Parameters that the decorator's denylist takes away."""
    options = decorator.keywords if isinstance(decorator, ast.Call) else []
    return [
        name
        for option in options
        if option.arg == "denylist"
        for name in ast.literal_eval(option.value)
    ]


def _constructor(
    source: _Source, node: ast.ClassDef | Functions
) -> tuple[tuple[str, ...], bool] | None:
    """(parameters, whether **kwargs take more); None where no class of ours has a constructor."""
    if isinstance(node, Functions):
        taken = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        names = [argument.arg for argument in taken[len(node.args.posonlyargs) :]]
        return tuple(name for name in names if name != "self"), node.args.kwarg is not None
    if any(_name_of(one).endswith("dataclass") for one in node.decorator_list):
        fields = (
            ast.unparse(one.target)
            for one in node.body
            if isinstance(one, ast.AnnAssign)
            and not ast.unparse(one.annotation).startswith("ClassVar")
        )
        return tuple(fields), False
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            return _constructor(source, method)
    for base in node.bases:
        found = source.defined(base.id) if isinstance(base, ast.Name) else None
        if found and (inherited := _constructor(*found)):
            return inherited
    return None
