"""Making names known to gin: modules of this project, and families of third-party classes.

Ours register themselves when they are imported. Which module has which name is read from the
sources, so a new module needs no entry anywhere, and is imported when a config first names what is
in it; so is a third-party family, as each may take seconds.
"""

import importlib

import gin

from fewshot.binding.sources import modules
from fewshot.binding.third_party import FAMILIES, family_of


def register(selector: str) -> None:
    """Import what makes a full name known to gin; changes nothing where it is known already."""
    if selector in gin.config._REGISTRY:
        return
    prefix = family_of(selector)
    if prefix is not None:
        name = selector.removeprefix(f"{prefix}.")
        sources = map(importlib.import_module, FAMILIES[prefix].modules)
        source = next(module for module in sources if hasattr(module, name))
        gin.external_configurable(getattr(source, name), name=name, module=prefix)
    elif selector in modules():
        importlib.import_module(modules()[selector])


def register_family(prefix: str) -> None:
    """Import a family and make its names known to gin; a second call changes nothing."""
    for name in FAMILIES[prefix].names:
        register(f"{prefix}.{name}")


def register_named(name: str, rooms: tuple[str, ...]) -> None:
    """Import what these packages register under a name, if anything."""
    for selector in modules().matching_selectors(name):
        if selector.startswith(rooms):
            register(selector)


def register_all() -> None:
    """Register all of ours and torch's own; the other families follow when they are named."""
    for selector, _ in modules().items():
        register(selector)
    for prefix in FAMILIES:
        if prefix.startswith("torch."):
            register_family(prefix)
