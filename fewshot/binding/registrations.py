"""Making names known to gin: modules of this project, and families of third-party classes.

Ours register themselves when they are imported. Which module has which name is read from the
sources, so a new module needs no entry anywhere, and is imported when a config first names what is
in it; so is a third-party family, as each may take seconds.
"""

import importlib

import gin

from fewshot.binding.sources import declared
from fewshot.binding.third_party import FAMILIES, family_of


def register(selector: str) -> None:
    """Import what makes a full name known to gin; changes nothing where it is known already."""
    family = family_of(selector)
    if family is not None:
        register_family(family)
    elif selector not in gin.config._REGISTRY and selector in declared():
        importlib.import_module(declared()[selector].module)


def register_family(prefix: str) -> None:
    """Import a family and make its names known to gin; a second call changes nothing."""
    family = FAMILIES[prefix]
    if f"{prefix}.{family.names[0]}" in gin.config._REGISTRY:
        return
    modules = [importlib.import_module(module) for module in family.modules]
    for name in family.names:
        source = next(module for module in modules if hasattr(module, name))
        gin.external_configurable(getattr(source, name), name=name, module=prefix)


def register_named(name: str, rooms: tuple[str, ...]) -> None:
    """Import what these packages register under a name, if anything."""
    for selector in declared().matching_selectors(name):
        if selector.startswith(rooms):
            register(selector)


def register_all() -> None:
    """Register all of ours and torch's own; the other families follow when they are named."""
    for selector, _ in declared().items():
        register(selector)
    for prefix in FAMILIES:
        if prefix.startswith("torch."):
            register_family(prefix)
