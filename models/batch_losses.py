"""Losses of a batch with their graph, and the checks without which nothing could be unlearned."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from models.data import Samples
from models.recipe import Recipe
from models.training import device_of


def movable(network: nn.Module) -> list[Tensor]:
    """The parameters that may move, each tensor once however often it is used."""
    parameters: list[Tensor] = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("every parameter of this network is frozen, so nothing can be unlearned")
    return parameters


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


@torch.no_grad()
def require_losses_per_sample(network: nn.Module, recipe: Recipe, samples: Samples) -> None:
    """Refuse a recipe that averages its losses, on two samples, before all are scored."""
    was_training = network.training
    network.eval()
    batch_losses(network, recipe, samples, torch.arange(min(2, len(samples))))
    network.train(was_training)
