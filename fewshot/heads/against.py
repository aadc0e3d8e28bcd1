"""A head over one gallery: what it makes of it is made once, however many queries come.

A head that makes something of its references that takes time, such as an index, has
`against(support, labels, n_classes)`, which makes it and gives what scores queries by it; that may
have `figures`, {name: figure} to be reported, and then `told()`, a sentence about them, and
`without(label)`, the same without the references of a class. Whoever holds the answer owns what was
made. `check(references)` raises, before anything is trained, what
`against` would raise of so many.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

Scores = Callable[[Tensor], Tensor]


def against(head: Any, support: Tensor, labels: Tensor, n_classes: int) -> Scores:
    """What gives a head's scores [Q, n_classes] of query [Q, D]."""
    if hasattr(head, "against"):
        prepared: Scores = head.against(support, labels, n_classes)
        return prepared
    return lambda query: head(support, labels, query, n_classes)
