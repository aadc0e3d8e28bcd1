"""requirements.txt is enough for experiments: the extra files are for what asks for them."""

import functools
import json
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
# A finder that knows none of the names given, as if they were not installed.
BLOCKED = """
import importlib.machinery, json, sys

NAMES = frozenset(json.loads(sys.argv.pop(1)))
FOUND = importlib.machinery.PathFinder.find_spec

def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in NAMES else FOUND(name, path, target)

importlib.machinery.PathFinder.find_spec = find_spec
"""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def core_distributions() -> set[str]:
    """What requirements.txt installs, with all that it asks for in turn."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    waiting = [Requirement(line) for line in lines if line and not line.startswith("#")]
    found: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonical(requirement.name)
        marker = requirement.marker
        if name in found or (marker is not None and not marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        try:
            waiting += [Requirement(text) for text in metadata.requires(name) or []]
        except metadata.PackageNotFoundError:  # asked for on other machines only
            continue
    return found


@functools.cache
def extra_modules() -> list[str]:
    """Top-level modules that no distribution of the core brings."""
    core = core_distributions() | {"pip", "setuptools"}
    by_module = metadata.packages_distributions()
    return sorted(
        module
        for module, distributions in by_module.items()
        if not core & {canonical(name) for name in distributions}
    )


def run_blocked(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code, json.dumps(extra_modules()), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_the_extra_files_bring_is_told_apart():
    extra = extra_modules()
    assert {"starlette", "uvicorn", "cv2", "onnx", "onnxruntime", "optuna", "pytest"} <= set(extra)
    assert not {"torch", "gin", "timm", "pandas", "PIL", "sklearn", "tqdm"} & set(extra)


def test_every_config_name_is_known_without_the_extra_files():
    code = "from experiment import run; sys.exit(run(['--list', 'TransferNet']))"
    done = run_blocked(code)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "fewshot.objectives.transfer_net" in done.stdout


def test_every_verb_says_what_it_does_without_the_extra_files():
    verbs = [path.stem.strip("_") for path in (ROOT / "fewshot/commands").glob("[a-z]*.py")]
    assert "demo" in verbs
    code = "from fewshot.__main__ import main; sys.exit(main([sys.argv[1], '--help']))"
    for verb in verbs:
        done = run_blocked(code, verb)
        assert done.returncode == 0, (verb, done.stderr[-2000:])
