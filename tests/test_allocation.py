import ctypes
import platform
import resource
from pathlib import Path

import pytest
import torch

from fewshot import allocation
from fewshot.allocation import freed_memory_kept

CPU = torch.device("cpu")


class Library:
    """In place of the C library: what it is asked for."""

    def __init__(self):
        self.asked, self.trimmed = {}, 0

    def mallopt(self, parameter, value):
        self.asked[parameter] = value

    def malloc_trim(self, pad):
        self.trimmed += 1


@pytest.fixture
def library(monkeypatch):
    library = Library()
    for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    return library


def test_memory_is_kept_until_the_last_of_them_ends_and_then_given_back(library):
    with freed_memory_kept(CPU):
        with freed_memory_kept(CPU):
            pass
        assert library.asked == {-1: -1, -2: 64 << 20, -4: 0} and library.trimmed == 0
    usual = {-1: 64 << 20, -2: 128 << 10, -3: 32 << 20, -4: 65_536}
    assert library.asked == usual and library.trimmed == 1


def test_one_may_begin_and_end_while_another_begins(library):
    def collecting(parameter, value):  # as the collector may end a generator anywhere
        library.mallopt = lambda *_: None
        with freed_memory_kept(CPU):
            pass

    library.mallopt = collecting
    with freed_memory_kept(CPU):
        pass
    assert allocation._keeping == 0


def test_it_is_given_back_after_a_fault(library):
    with pytest.raises(ZeroDivisionError), freed_memory_kept(CPU):
        raise ZeroDivisionError
    assert library.trimmed == 1 and allocation._keeping == 0


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_environment_tunes_stays_as_it_is(library, monkeypatch, name):
    monkeypatch.setenv(name, "1")
    with freed_memory_kept(CPU):
        assert not library.asked


def test_a_gpu_and_other_c_libraries_are_left_alone(library, monkeypatch):
    with freed_memory_kept(torch.device("cuda")):
        assert not library.asked
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))  # musl, macOS, Windows
    with freed_memory_kept(CPU):
        assert not library.asked


@pytest.fixture
def untuned(monkeypatch):
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library, which is left alone")
    for name in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)


def faults():
    """Pages that the system had to hand out for ten tensors, one after the other."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(16_000_000)  # more than glibc keeps by itself
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_freed_tensors_pages_are_those_of_the_next(untuned):
    usual = faults()
    with freed_memory_kept(CPU):
        faults()
        assert faults() < usual / 10


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_memory_is_the_systems_again_at_the_end(untuned):
    with freed_memory_kept(CPU):
        tensors = [torch.ones(16_000_000) for _ in range(4)]
        filled = resident()
        del tensors
        assert resident() > filled - 20e6
    assert resident() < filled - 200e6
