"""A stand-in for CUDA graphs on the processor: operations are noted once and repeated blindly.

Like a graph, a tape reads and writes the tensors that were there when it was made, runs no Python
again, holds every number fast that was no tensor, and has no effect before its first replay.
"""

from contextlib import contextmanager

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map


class Notes(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.operations = []
        self.made = {}  # by id; kept alive, so that no id comes twice
        self.before = {}

    def _known(self, leaf):
        return id(leaf) in self.made or id(leaf) in self.before

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in ("_local_scalar_dense", "nonzero"):
            raise RuntimeError("operation not permitted when stream is capturing")
        for leaf in tree_leaves((args, kwargs)):
            if isinstance(leaf, Tensor) and not self._known(leaf):
                self.before[id(leaf)] = (leaf, leaf.detach().clone())
        result = func(*args, **kwargs)
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and not self._known(leaf):
                self.made[id(leaf)] = leaf
        self.operations.append((func, args, kwargs, result))
        return result


class Tape:
    """A Recorder; `replays` counts, `recorded` how often something was recorded."""

    def __init__(self):
        self.recorded = self.replays = self.warmed = 0
        self.beside_others = self.joined = 0

    @contextmanager
    def apart(self):
        self.warmed += 1
        yield

    @contextmanager
    def beside(self):
        self.beside_others += 1
        yield

    def join(self):
        assert self.beside_others > self.joined
        self.joined = self.beside_others

    def record(self, work):
        self.recorded += 1
        notes = Notes()
        state = torch.get_rng_state()
        try:
            with notes:
                result = work()
        finally:
            torch.set_rng_state(state)
            with torch.no_grad():
                for tensor, value in notes.before.values():
                    tensor.detach().copy_(value)

        def replay():
            self.replays += 1
            with torch.no_grad():
                for func, args, kwargs, kept in notes.operations:
                    _keep(func(*args, **kwargs), kept)

        return replay, result


def _keep(new, kept):
    """Put results where they were first."""

    def put(one, other):
        if isinstance(one, Tensor) and one is not other and one.data_ptr() != other.data_ptr():
            other.detach().copy_(one)

    tree_map(put, new, kept)
