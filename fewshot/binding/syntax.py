"""gin's grammar, one statement at a time, its complaints turned into plain messages."""

import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gin
from gin import config_parser

from fewshot.binding import registry
from fewshot.binding.registrations import register
from fewshot.errors import UserError


@dataclass(frozen=True)
class Named:
    """`@scopes/Name` or, to be evaluated, `@scopes/Name()`, by its full name; not yet imported."""

    scopes: tuple[str, ...]
    selector: str
    evaluate: bool


def with_references(value: Any) -> Any:
    """A parsed value with gin's own references where names stand, whose modules are imported."""
    match value:
        case Named():
            register(value.selector)
            name = "/".join([*value.scopes, registry.unambiguous(value.selector)])
            return gin.config.ConfigurableReference(name, value.evaluate)
        case list() | tuple():
            return type(value)(with_references(item) for item in value)
        case dict():
            return {with_references(key): with_references(item) for key, item in value.items()}
    return value


class _References(gin.config.ParserDelegate):
    """Takes names down in full, and keeps what is wrong for the loader to report.

    gin rewrites any exception that is raised while it parses a value, hence no raising here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.problem: UserError | None = None

    def configurable_reference(self, scoped_name: str, evaluate: bool) -> Any:
        """A class or function by name, None where the name is unknown."""
        *scopes, name = scoped_name.split("/")
        try:
            return Named(tuple(scopes), registry.resolve(name), evaluate)
        except UserError as error:
            self.problem = self.problem or error
            return None


def statements(text: str, where: str, shows_line: bool = True) -> Iterator[tuple[int, Any]]:
    """(line, statement) in order, each parsed only when the one before it has been handled.

    Raises UserError, with the place, where the text is not gin or names something unknown.
    """
    references = _References()
    line = 1
    try:
        parser = config_parser.ConfigParser(text, references)
        while (statement := parser.parse_statement()) is not None:
            line = statement.location.line_num
            if references.problem is not None:
                place = f"{where}:{line}" if shows_line else where
                raise UserError(f"{place}: {references.problem}")
            yield line, statement
    except (SyntaxError, tokenize.TokenError, StopIteration, RecursionError) as error:
        if isinstance(error, RecursionError):
            line = parser._current_token.start[0]
        line = getattr(error, "lineno", None) or _token_error_line(error) or line
        place = f"{where}:{line}" if shows_line else where
        lines = text.splitlines()
        source = lines[line - 1].strip() if line <= len(lines) else ""
        raise UserError(f"{place}: {_syntax_problem(error, source)}") from None


def _token_error_line(error: BaseException) -> int | None:
    match error.args:
        case (_, (int(line), _)):
            return line
    return None


def _syntax_problem(error: BaseException, source: str) -> str:
    if isinstance(error, RecursionError):
        return "brackets are nested too deeply."
    message = str(error.args[0]) if error.args else ""
    if "Failed to parse token" in message or "Unable to parse value" in message:
        value = source.partition("=")[2].strip() if "=" in source else source
        return (
            f"the value {value} is not a Python literal. Text needs quotes ('...'), a class or "
            "function an @ (@Name), a macro a % (%name); true and false are written True, False."
            if value
            else "there is no value after '='."
        )
    if "EOF in multi-line" in message or isinstance(error, StopIteration):
        return "a bracket or quote is opened here or above and never closed."
    return f"this is not a binding ({message.strip().rstrip('.')}): {source}"
