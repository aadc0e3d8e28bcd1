"""Changes to library backbones: first convolution, classifier, and how wide the features are."""

import torch
from torch import Tensor, nn

from fewshot.errors import UserError


def adapt_first_convolution(model: nn.Module, in_channels: int) -> None:
    """Make a 3-channel model take grey: the filters summed over RGB, exact for replicated grey.

    Other numbers of channels get a new first convolution with random weights.
    """
    name, conv = first_convolution(model)
    if conv.in_channels == in_channels:
        return
    new = _like(conv, in_channels)
    if in_channels == 1:
        with torch.no_grad():
            new.weight.copy_(conv.weight.sum(1, keepdim=True))
            if new.bias is not None and conv.bias is not None:
                new.bias.copy_(conv.bias)
    model.set_submodule(name, new)


def first_convolution(model: nn.Module) -> tuple[str, nn.Conv2d]:
    """(name, module) of the convolution that sees the pixels."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            return name, module
    raise UserError(f"{type(model).__name__} has no convolution and cannot be adapted to images.")


def _like(conv: nn.Conv2d, in_channels: int) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        bias=conv.bias is not None,
        padding_mode=conv.padding_mode,
    )


def shrink_less(model: nn.Module, what: str) -> None:
    """Give a ResNet the 3x3 stem without max-pool that suits 28 or 32 pixels.

    Raises UserError for models whose stem is not that of a ResNet.
    """
    stem, pool = getattr(model, "conv1", None), getattr(model, "maxpool", None)
    if not isinstance(stem, nn.Conv2d) or not isinstance(pool, nn.MaxPool2d):
        raise UserError(
            f"{what}.small_images = True changes the stem of ResNets (conv1, maxpool), which "
            f"{type(model).__name__} does not have: bind it to False."
        )
    new = nn.Conv2d(stem.in_channels, stem.out_channels, 3, 1, 1, bias=False)
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    model.set_submodule("conv1", new)
    model.set_submodule("maxpool", nn.Identity())


def remove_classifier(model: nn.Module, what: str) -> str:
    """Replace the last linear layer of the classifier by nothing; returns its name.

    Raises UserError where there is none.
    """
    for part in ("fc", "classifier", "head", "heads"):
        module = getattr(model, part, None)
        if isinstance(module, nn.Module):
            layers: list[tuple[str, nn.Module]] = list(module.named_modules(prefix=part))
            linear = [name for name, layer in layers if isinstance(layer, nn.Linear)]
            if linear:
                model.set_submodule(linear[-1], nn.Identity())
                return linear[-1]
    raise UserError(
        f"{what} ends in no linear classifier that could be removed: choose another backbone, or "
        "TimmEncoder, which knows how to cut its models."
    )


def measure_features(
    model: nn.Module, in_channels: int, image_size: tuple[int, int], what: str
) -> int:
    """How many features one image gets; raises UserError where the size does not go through."""
    features = probed(model, in_channels, image_size, what)
    if features.ndim != 2:
        raise UserError(
            f"{what} gives features of shape {list(features.shape)}, not one vector an image: "
            "choose another backbone."
        )
    return features.shape[1]


def probed(model: nn.Module, in_channels: int, image_size: tuple[int, int], what: str) -> Tensor:
    """What one image of zeros gives; raises UserError where the size does not go through."""
    was_training = model.training
    parameter = next(model.parameters())
    probe = torch.zeros(1, in_channels, *image_size, dtype=parameter.dtype)
    try:
        with torch.no_grad():
            given: Tensor = model.eval()(probe)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UserError(
            f"{what} cannot take {in_channels}-channel images of {image_size} pixels "
            f"({str(error).splitlines()[0]}): bind Inputs.size or FashionDataset.image_size to a "
            "size it was made for, e.g. (224, 224)."
        ) from error
    finally:
        model.train(was_training)
    return given


def parts(model: nn.Module) -> list[nn.Module]:
    """The model's parts in order; where one is a list of stages, each of these."""
    found: list[nn.Module] = []
    for child in model.children():
        found.extend(child if isinstance(child, nn.Sequential) and len(child) else [child])
    return found
