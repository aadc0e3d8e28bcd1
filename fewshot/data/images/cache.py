"""The folder for what can be made again, and for what is known of this machine alone."""

import os
from pathlib import Path


def cache_root(cache_dir: str | os.PathLike[str] | None) -> Path:
    """Where packs live: the binding, else $FEWSHOT_CACHE, else ~/.cache/fewshot."""
    chosen = cache_dir or os.environ.get("FEWSHOT_CACHE") or "~/.cache/fewshot"
    return Path(chosen).expanduser().absolute()
