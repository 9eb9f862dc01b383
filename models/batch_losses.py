"""Losses of a batch with their graph, and the checks without which nothing could be unlearned."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from models.data import Samples
from models.recipe import Recipe
from models.training import device_of


def movable(network: nn.Module) -> list[Tensor]:
    """The parameters that may move, each tensor once however often it is used.

    `ValueError` where there is none, and for complex ones, which buffers of weights cannot hold.
    """
    return list(named_movable(network).values())


def named_movable(network: nn.Module) -> dict[str, Tensor]:
    """The same by name."""
    named: dict[str, Tensor] = {n: p for n, p in network.named_parameters() if p.requires_grad}
    if not named:
        raise ValueError("every parameter of this network is frozen, so nothing can be unlearned")
    for name, parameter in named.items():
        if parameter.is_complex():
            raise ValueError(
                f"the parameter {name} is complex; let its real and imaginary parts be the "
                "parameter, and view_as_complex where it is used, or freeze it"
            )
    return named


def in_half_precision(weights: Iterable[Tensor]) -> bool:
    """Whether some of them are float16 or bfloat16, in which small steps are rounded away."""
    return any(weight.dtype in (torch.float16, torch.bfloat16) for weight in weights)


def batch_losses(
    network: nn.Module,
    recipe: Recipe,
    samples: Samples,
    rows: Tensor,
    *,
    autocast: torch.dtype | None = None,
) -> Tensor:
    """`[B]`: the recipe's losses of the samples at these places, with their graph."""
    device = device_of(network)
    with (
        torch.autocast(device.type, dtype=autocast, enabled=autocast is not None),
        differentiable(network),
    ):
        losses = recipe.losses(network, samples.rows(rows, device=device))
    return one_per_sample(losses, len(rows))


def differentiable(network: nn.Module) -> AbstractContextManager[None]:
    """Where a network in evaluation mode is to compute what gradients are taken of.

    cuDNN has no backward pass for recurrent layers in evaluation mode; torch's own kernels do.
    """
    recurrent = any(isinstance(module, nn.RNNBase) for module in network.modules())
    if network.training or not recurrent:
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=False)


def one_per_sample(losses: Tensor, count: int) -> Tensor:
    """The same losses, or a `ValueError` that names the way out."""
    if losses.shape != (count,):
        raise ValueError(
            f"recipe.losses gave shape {tuple(losses.shape)} for {count} samples; it must give one "
            "loss per sample: compute the loss with reduction='none' and average what is left "
            "within a sample, for instance over its tokens or labels"
        )
    return losses


@torch.enable_grad()
def require_losses_per_sample(network: nn.Module, recipe: Recipe, samples: Samples) -> None:
    """Refuse losses that nothing can be unlearned by, on two samples, before all are scored.

    A `ValueError`, with the way out: for a recipe that averages its losses, for losses that do not
    depend on a parameter that may move, and for gradients that are sparse. The network is left as
    it was.
    """
    named = named_movable(network)
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        losses = batch_losses(network, recipe, samples, torch.arange(min(2, len(samples))))
        slopes = _slopes(losses, list(named.values()))
    finally:
        for module, mode in modes:
            module.training = mode
    if all(slope is None for slope in slopes):
        raise ValueError(
            "recipe.losses gave losses without a gradient in any parameter that may move; compute "
            "them without no_grad() and detach(), and freeze less of the network"
        )
    for name, slope in zip(named, slopes, strict=True):
        if slope is not None and slope.layout is not torch.strided:
            raise ValueError(
                f"the gradient of {name} is sparse; build its embedding with sparse=False"
            )


def _slopes(losses: Tensor, parameters: list[Tensor]) -> list[Tensor | None]:
    """The gradient of the losses' sum, None for what they do not depend on."""
    if not losses.requires_grad:
        return [None for _ in parameters]
    return list(torch.autograd.grad(losses.sum(), parameters, allow_unused=True))
