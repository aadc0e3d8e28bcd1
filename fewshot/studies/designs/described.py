"""What a command line says of a label-budget study: its design, and what is for its runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gin

from fewshot.binding import config
from fewshot.binding.locating import find_config
from fewshot.errors import UserError
from fewshot.studies.arguments import refuse_seed
from fewshot.studies.designs.label_budget import LabelBudget

DEFAULT = "configs/studies/label_budget.gin"
QUICK = "configs/studies/label_budget_quick.gin"
_OWN = LabelBudget.__name__


@dataclass(frozen=True)
class Described:
    """A design, the configs and bindings that are put behind every run's, and the study's name."""

    design: LabelBudget
    configs: list[str]
    bindings: list[str]
    name: str


def described(configs: Sequence[str], bindings: Sequence[str], quick: bool = False) -> Described:
    """The study that configs and bindings tell of, and what among them is for its runs.

    Configs that bind LabelBudget make the design, by default that of DEFAULT, with quick that of
    QUICK; all others are for the runs. Raises UserError for a config that binds both, and for
    quick beside another design.
    """
    refuse_seed(bindings, configs, f"{_OWN}.seeds")
    bound = {name: config.names_bound_in(name) for name in configs}
    own = [name for name in configs if _OWN in bound[name]]
    more = [name for name in configs if name not in own]
    for name in own:
        others = sorted(bound[name] - {_OWN})
        if others:
            raise UserError(
                f"{name} binds {_OWN} and also {', '.join(others)}, which would reach no run: bind "
                "that in a file of its own, and name it with one more -c."
            )
    if quick:
        _refuse_beside_quick(own)
    design = [QUICK] if quick else own or [DEFAULT]
    of_study = [binding for binding in bindings if binding.lstrip().startswith(f"{_OWN}.")]
    return Described(
        read_design(design, of_study),
        more,
        [binding for binding in bindings if binding not in of_study],
        "-".join(Path(name).stem for name in (design[0], *more)),
    )


def _refuse_beside_quick(own: Sequence[str]) -> None:
    meant = {find_config(name) for name in (DEFAULT, QUICK)}
    other = [name for name in own if find_config(name) not in meant]
    if other:
        raise UserError(
            f"--quick is a small study of its own, {QUICK}, and {other[0]} is another: leave one "
            f"of them out. For a small part of yours bind less, such as -p '{_OWN}.seeds = (0,)' "
            f"-p '{_OWN}.budgets = (10, 100)'."
        )


def read_design(configs: Sequence[str], bindings: Sequence[str]) -> LabelBudget:
    """The study that some configs describe, by bindings of LabelBudget that win over them."""
    config.load(list(configs), list(bindings))
    design: LabelBudget = gin.get_configurable(LabelBudget)()
    return design
