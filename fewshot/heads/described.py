"""A head as plain values, from which it can be built again."""

import dataclasses
from typing import Any


def described(head: Any) -> dict[str, Any] | None:
    """{"name", "arguments"} of a head; None where these would not make it again.

    So it is for one that is no dataclass of plain values, and for a transductive one, whose
    answers depend on the other queries.
    """
    if not dataclasses.is_dataclass(head) or getattr(head, "transductive", False):
        return None
    arguments = {field.name: getattr(head, field.name) for field in dataclasses.fields(head)}
    if any(type(value) not in (bool, int, float, str, type(None)) for value in arguments.values()):
        return None
    return {"name": type(head).__name__, "arguments": arguments}
