"""Retain and forget gradients, their inner products per tensor, and moving weights by them."""

from collections.abc import Iterator, Sequence
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from models.data import Batch, Samples, Split, endless_row_batches
from models.recipe import Recipe
from models.training import device_of
from models.unlearning.contract import Diverged
from models.unlearning.hamu_step import Floats


def working_copy(network: nn.Module) -> nn.Module:
    """A copy to move, in evaluation mode: normalisation statistics stay, dropout is off."""
    return deepcopy(network).eval()


def movable(network: nn.Module) -> list[Tensor]:
    """The parameters that may move, each tensor once however often it is used."""
    parameters: list[Tensor] = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("every parameter of this network is frozen, so nothing can be unlearned")
    return parameters


def require_both_sets(split: Split) -> None:
    """Refuse a split with nothing to forget or nothing to keep."""
    if len(split.forget) == 0:
        raise ValueError("the forget set is empty")
    if len(split.retain) == 0:
        raise ValueError("the retain set is empty; train a new network instead")


def full_batches(count: int, size: int, *, generator: torch.Generator) -> Iterator[Tensor]:
    """Endless shuffled places 0..count-1, always min(size, count) at a time: a small rest is noise."""
    size = min(size, count)
    batches = endless_row_batches(count, size, generator=generator)
    return (rows for rows in batches if len(rows) == size)


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
    batch = samples.rows(rows, device=device)
    with torch.autocast(device.type, dtype=autocast, enabled=autocast is not None):
        losses = recipe.losses(network, batch)
    return _one_per_sample(losses, batch, len(rows)).float()


def gradient(value: Tensor, parameters: Sequence[Tensor], *, scale: float = 1.0) -> list[Tensor]:
    """∇value, one tensor per parameter; zeros for those the value does not depend on.

    `scale` keeps small half-precision gradients from vanishing; it is taken out again here, before
    anything is computed from them.
    """
    parts = torch.autograd.grad(
        value * scale if scale != 1.0 else value,
        parameters,
        allow_unused=True,
        materialize_grads=True,
    )
    return list(torch._foreach_div(parts, scale)) if scale != 1.0 else list(parts)


def inner_products(left: Sequence[Tensor], right: Sequence[Tensor]) -> Floats:
    """Σ left·right per tensor, `[blocks]`, accumulated in double precision.

    There is no fused signed sum, but there is a fused sum of absolute values: Σx = 2 Σ|x₊| − Σ|x|.
    By Cauchy–Schwarz Σ|x| is at most the product of the norms, so nothing cancels badly.
    """
    products = torch._foreach_mul(left, right)
    absolute = torch.stack(torch._foreach_norm(products, 1, dtype=torch.float64))
    torch._foreach_clamp_min_(products, 0.0)
    positive = torch.stack(torch._foreach_norm(products, 1, dtype=torch.float64))
    sums: Floats = (2 * positive - absolute).cpu().numpy()
    return sums


def squared_norms(parts: Sequence[Tensor]) -> Floats:
    """Σ part² per tensor, `[blocks]`, accumulated in double precision."""
    norms: Floats = torch.stack(torch._foreach_norm(parts, 2, dtype=torch.float64)).cpu().numpy()
    return norms**2


def triples(retain: Sequence[Tensor], forget: Sequence[Tensor]) -> Floats:
    """`[blocks, 3]`: g_r·g_r, g_f·g_f and g_r·g_f of each tensor."""
    return require_finite(
        np.stack([squared_norms(retain), squared_norms(forget), inner_products(retain, forget)], 1)
    )


def require_finite(products: Floats) -> Floats:
    """The same triples, or `Diverged`."""
    if not np.isfinite(products).all():
        raise Diverged("a gradient is not finite")
    return products


@torch.no_grad()
def move(
    parameters: Sequence[Tensor],
    retain: Sequence[Tensor],
    forget: Sequence[Tensor],
    *,
    by_retain: Floats,
    by_forget: Floats,
) -> None:
    """w += α·g_r + β·g_f per tensor, in place."""
    steps = torch._foreach_mul(retain, by_retain.tolist())
    torch._foreach_add_(steps, torch._foreach_mul(forget, by_forget.tolist()))
    torch._foreach_add_(parameters, steps)


def saved(parameters: Sequence[Tensor]) -> list[Tensor]:
    """A copy of the weights as they are."""
    return [parameter.detach().clone() for parameter in parameters]


@torch.no_grad()
def put_back(parameters: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
    """Overwrite the parameters with saved weights."""
    torch._foreach_copy_(parameters, weights)


def _one_per_sample(losses: Tensor, batch: Batch, count: int) -> Tensor:
    if losses.shape != (count,):
        raise ValueError(
            f"recipe.losses gave shape {tuple(losses.shape)} for {count} samples; it must give one "
            "loss per sample: compute the loss with reduction='none' and average what is left "
            "within a sample, for instance over its tokens or labels"
        )
    return losses
