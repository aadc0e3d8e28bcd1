"""What this project registers, read from its sources: to name a thing costs no import of it."""

import ast
import fnmatch
import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from gin.selector_map import SelectorMap

import fewshot

_REGISTERED = re.compile(
    r"^@gin\.(?:register|configurable)\b.*\n(?:@.*\n)*(?:async )?(?:class|def) (\w+)", re.MULTILINE
)
Functions = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Declared:
    """One `@gin.register` of a source file.

    documentation: its own docstring; parameters: names that a config may bind, in order; takes_any:
    whether it has **kwargs for others.
    """

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


def modules() -> SelectorMap:
    """Full name -> the module that registers it, with gin's ways to shorten names."""
    return _modules(tuple(fewshot.__path__))


@functools.cache
def _modules(folders: tuple[str, ...]) -> SelectorMap:
    found = SelectorMap()
    for folder in folders:
        for place, _, files in os.walk(folder):  # Paths of all that lies there take longer
            for file in fnmatch.filter(files, "*.py"):
                below = f"{place}{os.sep}{file[:-3]}".removeprefix(folder)
                module = f"fewshot{below.replace(os.sep, '.')}"
                for name in _REGISTERED.findall(Path(place, file).read_text(encoding="utf-8")):
                    found[f"{module}.{name}"] = module
    return found


@functools.cache
def declared(selector: str) -> Declared:
    """What the source says of a full name of `modules`."""
    module, _, name = selector.rpartition(".")
    source = _source(module) or _Source(module, [])
    owner = next(
        node
        for node in source.body
        if isinstance(node, ast.ClassDef | Functions) and node.name == name
    )
    parameters, takes_any = _constructor(source, owner) or ((), True)
    left_out = _denied(owner.decorator_list)
    taken = tuple(parameter for parameter in parameters if parameter not in left_out)
    return Declared(ast.get_docstring(owner) or "", taken, takes_any)


@functools.cache
def _source(module: str) -> _Source | None:
    """A module of this project, read; None where it is no file."""
    for folder in fewshot.__path__:
        path = Path(folder, *module.split(".")[1:]).with_suffix(".py")
        if path.is_file():
            return _Source(module, ast.parse(path.read_text(encoding="utf-8")).body)
    return None


def _denied(decorators: list[ast.expr]) -> list[str]:
    """Parameters that gin's decorator takes away by its denylist."""
    return [
        name
        for decorator in decorators
        if isinstance(decorator, ast.Call)
        for option in decorator.keywords
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
    if any("dataclass" in ast.unparse(one) for one in node.decorator_list):
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
