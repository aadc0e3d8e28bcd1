"""How a loss's own parameters learn beside the network."""

from collections.abc import Iterable
from typing import Any

import gin
from torch import nn

from fewshot.errors import UserError


@gin.register
class Proxies:
    """The loss's own parameters as a group of the optimiser, such as those of @pml.ProxyAnchorLoss.

    lr_factor: their learning rate over that of the network. Raises UserError unless it is above 0.
    """

    def __init__(self, lr_factor: float = 1.0) -> None:
        if not lr_factor > 0:
            raise UserError(f"Proxies.lr_factor is {lr_factor}: bind a number above 0.")
        self.lr_factor = lr_factor

    def groups(self, trained: Iterable[nn.Parameter], loss: nn.Module) -> list[dict[str, Any]]:
        """Groups of all trained parameters, those of the loss apart where their factor is not 1.

        That group carries `lr_factor`, by which the optimiser's learning rate is multiplied.
        """
        trained = list(trained)
        own = {id(parameter) for parameter in loss.parameters()}
        proxies = [parameter for parameter in trained if id(parameter) in own]
        if not proxies or self.lr_factor == 1:
            return [{"params": trained}]
        network = [parameter for parameter in trained if id(parameter) not in own]
        groups: list[dict[str, Any]] = [{"params": network}] if network else []
        return [*groups, {"params": proxies, "lr_factor": self.lr_factor}]
