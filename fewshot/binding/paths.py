"""Bound data paths made absolute, so that a stored config means the same files from anywhere."""

import os
from pathlib import Path
from typing import Any

import gin

from fewshot.binding.parsing import macros_in, used_macros
from fewshot.binding.provenance import MACRO

_NAMES = ("csv_file", "root_dir", "saved_model_path", "source", "cache_dir")
_ENDINGS = ("_path", "_dir", "_file")


def is_path(parameter: str) -> bool:
    """Whether a parameter of this name holds a path, or several."""
    return parameter in _NAMES or parameter.endswith(_ENDINGS)


def make_paths_absolute() -> None:
    """Rewrite every bound data path as seen from the working directory, `~` expanded.

    A macro that holds a path is written out where it is used as one, because the same macro may
    stand for something else elsewhere.
    """
    used = used_macros()
    for (_, full), values in gin.config._CONFIG.items():
        if full != MACRO:
            for parameter in filter(is_path, values):
                values[parameter] = absolute(values[parameter])
    for name in used - used_macros():
        gin.config._CONFIG.pop((name, MACRO), None)


def absolute(value: Any) -> Any:
    """A path, or each path of a list, made absolute; URLs and anything else are left alone."""
    if isinstance(value, str) and value and "://" not in value:
        # normpath, where Path.resolve would replace links by what they point to today
        return os.path.normpath(Path(value).expanduser().absolute())
    if isinstance(value, list | tuple):
        return type(value)(absolute(item) for item in value)
    if isinstance(value, gin.config.ConfigurableReference):
        names = macros_in(value)
        defined = gin.config._CONFIG.get((names[0], MACRO), {}) if names else {}
        held = absolute(defined.get("value"))
        return held if isinstance(held, str | list | tuple) else value
    return value
