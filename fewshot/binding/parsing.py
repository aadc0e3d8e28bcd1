"""Config files and -p bindings, statement by statement, into gin; mistakes named with their place.

gin's own reader looks up includes as Python packages, notices some unknown names only when they are
used, and wraps its errors in tracebacks; so only its grammar is used here.
"""

import importlib
from pathlib import Path
from typing import Any

import gin
from gin import config_parser

from fewshot.binding import provenance, registry
from fewshot.binding.locating import find_config, find_include, read_text, shown
from fewshot.binding.plugins import FINDER, recorded_folders
from fewshot.binding.provenance import MACRO, Key
from fewshot.binding.registrations import register
from fewshot.binding.suggestions import did_you_mean
from fewshot.binding.syntax import statements, with_references
from fewshot.binding.third_party import family_of
from fewshot.errors import UserError


class Loader:
    """Reads files and bindings in order, later ones over earlier ones, and then binds them all.

    What they name is imported when all is read, so that a misspelt name is told at once.
    imports: plug-in modules in order; folders: where plug-ins are looked for.
    """

    def __init__(self) -> None:
        self._places: dict[Key, str] = {}  # of the bindings that hold, for messages
        self._typed_macros: dict[str, str] = {}  # those that -p defines, and where
        self._read_yet: list[tuple[Key, Any, str]] = []  # bindings and their places
        self.imports: list[str] = []
        self.folders: list[Path] = []

    @property
    def bound(self) -> dict[Key, str]:
        """Where each parameter was bound last, by its scope and full name."""
        return {key: place for key, _, place in self._read_yet if key[1] != MACRO}

    def add_folder(self, folder: Path) -> None:
        """Look for the plug-in modules that configs import in this folder, too."""
        if folder not in self.folders:
            self.folders.append(folder)

    def read_file(self, name: str) -> Path:
        """Load a file given with -c; returns the path it was found at."""
        path = find_config(name)
        for folder in (*recorded_folders(path.parent), path.parent):
            self.add_folder(folder)
        self._read(path, ())
        return path

    def read_binding(self, text: str) -> None:
        """Load one -p, which may bind but not include or import."""
        place = f"-p {text!r}"
        found = list(statements(text, place, shows_line=False))
        if not found:
            raise UserError(f'{place} binds nothing: write -p "Name.parameter=value".')
        for _, statement in found:
            if isinstance(
                statement, config_parser.ImportStatement | config_parser.IncludeStatement
            ):
                raise UserError(f"{place}: only bindings can be given with -p; give files with -c.")
            self._take(statement, place)
            if not getattr(statement, "arg_name", "block"):
                scoped = (statement.scope, statement.selector)
                self._typed_macros["/".join(filter(None, scoped))] = place

    def _read(self, path: Path, including: tuple[Path, ...]) -> None:
        if path in including:
            chain = " -> ".join(shown(file) for file in (*including, path))
            raise UserError(f"{shown(path)} includes itself: {chain}. Remove one of the includes.")
        bound_at = 0
        for line, statement in statements(read_text(path), shown(path)):
            place = f"{shown(path)}:{line}"
            if isinstance(statement, config_parser.ImportStatement):
                self.add_folder(path.parent)
                self._import(statement, place)
            elif isinstance(statement, config_parser.IncludeStatement):
                if bound_at:
                    raise UserError(
                        f"{place}: this include stands below the binding in line {bound_at} and "
                        "could silently replace it: move includes above all bindings."
                    )
                self._read(find_include(statement.filename, path, place), (*including, path))
            else:
                bound_at = bound_at or line
                self._take(statement, place)

    def _import(self, statement: Any, place: str) -> None:
        module = statement.module
        if module.startswith("__gin__"):
            raise UserError(f"{place}: gin's dynamic registration is not used here: remove it.")
        importlib.invalidate_caches()
        FINDER.allow(module, self.folders)
        try:
            importlib.import_module(module)
        except ModuleNotFoundError as error:
            missing = error.name or module
            if not f"{module}.".startswith(f"{missing}."):
                raise UserError(
                    f"{place}: the plug-in {module} needs the module '{missing}', which is not "
                    f"installed: install it (pip install {missing.partition('.')[0]})."
                ) from error
            beside = [file.stem for folder in self.folders for file in folder.glob("*.py")]
            looked = ", ".join(shown(folder) for folder in self.folders)
            raise UserError(
                f"{place}: there is no module '{module}'.{did_you_mean(module, beside)} "
                f"Plug-ins are looked for in {looked} and among what is installed."
            ) from None
        gin.config._IMPORTS.add(statement)  # so that gin's operative config names it
        if module not in self.imports:
            self.imports.append(module)

    def _take(self, statement: Any, place: str) -> None:
        try:
            if isinstance(statement, config_parser.BlockDeclaration):
                registry.resolve(statement.selector)
                return
            scope, name, parameter = statement.scope, statement.selector, statement.arg_name
            if parameter:
                full = registry.resolve(name)
                if family_of(full) is None:  # a library's are known once it is imported
                    registry.check_parameter(full, parameter)
            else:  # a macro: its name may be scoped
                scope, full, parameter = f"{scope}/{name}" if scope else name, MACRO, "value"
        except UserError as error:
            raise UserError(f"{place}: {error}") from None
        self._read_yet.append(((scope, full, parameter), statement.value, place))

    def bind(self) -> None:
        """Import all that was named, and hand the bindings to gin.

        Raises UserError where a library's class has no such parameter, a macro is not defined, or
        -p defines one in vain.
        """
        for (scope, full, parameter), value, place in self._read_yet:
            register(full)
            try:
                if family_of(full) is not None:
                    registry.check_parameter(full, parameter)
            except UserError as error:
                raise UserError(f"{place}: {error}") from None
            referring = with_references(value)
            gin.bind_parameter((scope, full, parameter), referring)
            self._places[scope, full, parameter] = place
            provenance.record((scope, full, parameter), referring, place)
        self._check_macros()

    def _check_macros(self) -> None:
        """Raise UserError where a value uses an undefined macro, or -p defines one in vain."""
        defined = {scope for scope, full, _ in self._places if full == MACRO}
        for (scope, full, parameter), place in self._places.items():
            for name in macros_in(gin.config._CONFIG[scope, full][parameter]):
                if name not in defined:
                    hint = did_you_mean(name, defined)
                    raise UserError(
                        f"{place}: the macro %{name} is not defined.{hint} "
                        f"Define it with a line like: {name} = 1"
                    )
                if full == MACRO and scope in _reached_from(name):
                    raise UserError(f"{place}: the macro %{scope} is defined by itself.")
        used = used_macros()
        for name, place in self._typed_macros.items():
            if name not in used:
                raise UserError(
                    f"{place}: this defines a macro '{name}' that nothing uses."
                    f"{did_you_mean(name, registry.own_parameters())} "
                    "A binding is written Name.parameter=value."
                )


def macros_in(value: Any) -> list[str]:
    """Names of the macros that a bound value uses."""
    references = gin.config.iterate_references({"": value})
    return ["/".join(r.scopes) for r in references if r.configurable.selector == MACRO]


def used_macros() -> set[str]:
    """Names of the macros that any bound value uses."""
    bindings = gin.config._CONFIG.values()
    return {name for values in bindings for value in values.values() for name in macros_in(value)}


def _reached_from(name: str) -> set[str]:
    """The macro and all that its value leads to."""
    reached, frontier = {name}, [name]
    while frontier:
        value = gin.config._CONFIG.get((frontier.pop(), MACRO), {}).get("value")
        new = set(macros_in(value)) - reached
        reached |= new
        frontier += new
    return reached
