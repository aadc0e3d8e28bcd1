"""Making names known to gin: every module of this project, and families of third-party classes.

Ours register themselves when they are imported, so the package is walked and a new module needs no
entry anywhere. A third-party family may take seconds to import, so all but torch's own wait until a
config first names them.
"""

import importlib
import pkgutil

import gin

import fewshot
from fewshot.binding.third_party import FAMILIES

# Packages in which nothing is registered; walking them would cost their imports, or fail without an
# extra requirements file.
_NOT_WALKED = ("fewshot.commands", "fewshot.demo", "fewshot.reports", "fewshot.studies")
_WALKED_YET = "fewshot.studies.designs"


def register_family(prefix: str) -> None:
    """Import a family and make its names known to gin; a second call changes nothing."""
    family = FAMILIES[prefix]
    if f"{prefix}.{family.names[0]}" in gin.config._REGISTRY:
        return
    modules = [importlib.import_module(module) for module in family.modules]
    for name in family.names:
        source = next(module for module in modules if hasattr(module, name))
        gin.external_configurable(getattr(source, name), name=name, module=prefix)


def register_own(rooms: tuple[str, ...] = ("fewshot",)) -> None:
    """Import every module of this project, so that each registers what it offers.

    rooms: packages to which it is limited, where the others are not worth their imports.
    """
    for module in pkgutil.walk_packages(fewshot.__path__, "fewshot."):
        name = module.name
        walked = name.startswith(_WALKED_YET) or not name.startswith(_NOT_WALKED)
        walked = walked and name.startswith(rooms)
        if walked and not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def register_all() -> None:
    """Register ours and torch's own; the other families follow when they are first named."""
    register_own()
    for prefix in FAMILIES:
        if prefix.startswith("torch."):
            register_family(prefix)
