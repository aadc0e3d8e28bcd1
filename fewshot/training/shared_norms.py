"""Batch normalisation over the images of all processes: torch's on GPUs, the same sums on a CPU."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fewshot.errors import UserError
from fewshot.sharing import summed

_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SharedBatchNorm(_BatchNorm):
    """As nn.BatchNorm*d would see one batch of all processes' images, which may differ in number.

    torch's own SyncBatchNorm takes tensors on GPUs alone.
    """

    def _check_input_dim(self, _input: Tensor) -> None:
        """Any number of dimensions from two on; what was replaced knew which."""

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, ...] -> the same shape."""
        if not self.training and self.running_mean is not None:
            return super().forward(input)
        axes = [axis for axis in range(input.ndim) if axis != 1]
        values = input.float()
        count = values.new_full((1,), values.numel() // values.shape[1])
        sums = summed(torch.cat([values.sum(axes), count]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        shape = [1, -1] + [1] * (input.ndim - 2)
        centred = values - mean.view(shape)
        variance = summed(centred.square().sum(axes)) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        found = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            found = found * self.weight.view(shape) + self.bias.view(shape)
        return found.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


def share_norms(objective: nn.Module, device: torch.device) -> None:
    """Let every batch normalisation of the objective see the images of all processes.

    Parameters and names stay, so that files stay the same. Raises UserError for a kind of layer
    that cannot be shared on a CPU.
    """
    if device.type != "cpu":
        # which keeps the activations of timm's own norms
        from timm.layers.norm_act import convert_sync_batchnorm

        convert_sync_batchnorm(objective)
        return
    for name, module in objective.named_modules():
        if not isinstance(module, _BatchNorm):
            continue
        if type(module) not in _PLAIN:
            raise UserError(
                f"Hardware.sync_batchnorm is True, but {name} is a {type(module).__name__}, which "
                "can be synchronised on GPUs alone: bind False, or another encoder."
            )
        # in place: an objective may hold its layers in lists of its own
        module.__class__ = SharedBatchNorm
