"""Gradients of a batch, with the checks that every method needs."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from models.data import Split
from models.diverged import Diverged

# Half-precision gradients below about 6e-8 are lost, so the loss is scaled up before the backward
# pass and the gradients down after it. bfloat16 has the range of float32 and needs none.
LOSS_SCALE = {torch.float16: 1024.0}


def working_copy(network: nn.Module) -> nn.Module:
    """A copy to move, in evaluation mode: normalisation statistics stay, dropout is off."""
    return deepcopy(network).eval()


def require_both_sets(split: Split) -> None:
    """Refuse a split with nothing to forget or nothing to keep."""
    if len(split.forget) == 0:
        raise ValueError("the forget set is empty")
    if len(split.retain) == 0:
        raise ValueError("the retain set is empty: there is nothing to keep, so delete the network")


def at_least_one(**counts: int | None) -> None:
    """Refuse, by its name, a count of nothing; None is left to defaults."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ValueError(f"{name} is at least 1, not {count}")


def require_finite(network: nn.Module) -> None:
    """`Diverged` where a weight is not: a finite loss can have a gradient that is not."""
    if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
        raise Diverged("a weight is not finite at the end")


def gradient(
    value: Tensor, parameters: list[Tensor], *, autocast: torch.dtype | None = None
) -> list[Tensor]:
    """∇value, one tensor per parameter; zeros for those the value does not depend on."""
    scale = _scale(autocast)
    parts = torch.autograd.grad(
        _times(value, scale), parameters, allow_unused=True, materialize_grads=True
    )
    return _unscaled(list(parts), scale)


def own_gradient(
    value: Tensor, parameters: list[Tensor], *, autocast: torch.dtype | None = None
) -> list[Tensor]:
    """The same, in memory that nothing else has, so that it may be changed in place.

    That is what a backward pass leaves in `.grad`: what goes to two parameters, or what an
    operation keeps for itself, is copied there. For a `working_copy`, which has none before.
    """
    scale = _scale(autocast)
    _times(value, scale).backward(inputs=parameters)
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    for parameter in parameters:
        parameter.grad = None
    return _unscaled(parts, scale)


def _scale(autocast: torch.dtype | None) -> float:
    return 1.0 if autocast is None else LOSS_SCALE.get(autocast, 1.0)


def _times(value: Tensor, scale: float) -> Tensor:
    return value if scale == 1.0 else value * scale


def _unscaled(parts: list[Tensor], scale: float) -> list[Tensor]:
    return parts if scale == 1.0 else list(torch._foreach_div(parts, scale))


def saved(parameters: list[Tensor]) -> list[Tensor]:
    """A copy of the weights as they are."""
    return [parameter.detach().clone() for parameter in parameters]


@torch.no_grad()
def put_back(parameters: list[Tensor], weights: list[Tensor]) -> None:
    """Overwrite the parameters with saved weights."""
    torch._foreach_copy_(parameters, weights)
