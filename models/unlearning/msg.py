"""Masked small gradients: reset what the two sets disagree on least, then repair on what is kept.

Source: second place of the NeurIPS 2023 unlearning competition (Triantafillou et al., arXiv
2406.09073).
"""

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from models.batch_losses import batch_losses, require_losses_per_sample
from models.data import Samples, Split
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.unlearning.contract import Unlearned
from models.unlearning.descent import descent, one_pass
from models.unlearning.gradients import at_least_one, gradient, require_both_sets

Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


def msg(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    epochs: int = 5,
    rate: float = 0.01,
    reset: float = 0.3,
    old_pace: float = 0.1,
    warm_up: float = 0.2,
    batch_size: int = 64,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Draw anew the weights where L_R − L_F has its smallest gradients, train on what is kept.

    Concerns weights of convolutions and linear layers, of which `reset` is the share drawn anew;
    the gradients of the others are multiplied by `old_pace`. The rate rises over the first
    `warm_up` of the steps and then falls to zero. Raises `ValueError` for a network without such a
    layer. In training mode, as normalisation has to learn the statistics of the new weights.
    """
    require_both_sets(split)
    at_least_one(epochs=epochs, batch_size=batch_size)
    if not 0 <= reset <= 1:
        raise ValueError(f"reset is a share, 0 to 1, not {reset}")
    require_losses_per_sample(network, recipe, split.forget)
    way = descent(network, rate=rate)
    layers = weighted_layers(way.network)
    with seeded(seed) as generator:
        order = torch.randperm(len(split.retain), generator=generator)
        retain = split.retain.take(order[: len(split.forget)])
        masks = smallest(difference(way.network, retain, split.forget, recipe, layers), reset)
        way.passes += len(retain) + len(split.forget)
        draw_anew(layers, masks)
        hooks = [
            layer.weight.register_hook(paced(mask, old_pace))
            for layer, mask in zip(layers, masks, strict=True)
        ]
        steps = max(1, epochs * -(-len(split.retain) // batch_size))
        cycle = torch.optim.lr_scheduler.LambdaLR(way.optimizer, triangle(steps, warm_up))
        way.network.train()
        for epoch in range(epochs):
            progress(epoch / epochs, f"epoch {epoch + 1} of {epochs}")
            for rows in one_pass(split.retain, batch_size, generator=generator):
                loss = batch_losses(way.network, recipe, split.retain, rows).mean()
                way.step(loss, samples=len(rows), retain_loss=loss)
                cycle.step()
    for hook in hooks:
        hook.remove()
    return way.ended()


def weighted_layers(network: nn.Module) -> list[Weighted]:
    """Convolutions and linear layers whose weights may move; of those that share one, the first.

    A weight that is computed from others (`parametrizations.weight_norm`) cannot be drawn anew.
    """
    layers = {
        id(module.weight): module
        for module in reversed(list(network.modules()))
        if isinstance(module, Weighted)
        and isinstance(module.weight, nn.Parameter)
        and module.weight.requires_grad
    }
    if not layers:
        raise ValueError(
            "MSG resets weights of convolutions and linear layers; there are none that can be"
        )
    return list(reversed(layers.values()))


def difference(
    network: nn.Module,
    retain: Samples,
    forget: Samples,
    recipe: Recipe,
    layers: Sequence[Weighted],
    *,
    batch_size: int = 256,
) -> list[Tensor]:
    """The gradient of L_R − L_F with respect to each layer's weight."""
    weights = [layer.weight for layer in layers]
    total = [torch.zeros_like(weight) for weight in weights]
    for samples, sign in ((retain, 1.0), (forget, -1.0)):
        for rows in torch.arange(len(samples)).split(batch_size):
            loss = batch_losses(network, recipe, samples, rows).sum() * sign / len(samples)
            torch._foreach_add_(total, gradient(loss, weights))
    return total


def smallest(gradients: Sequence[Tensor], share: float) -> list[Tensor]:
    """Boolean masks of the `share` of all weights with the smallest absolute gradient."""
    flat = torch.cat([part.flatten().abs() for part in gradients])
    chosen = torch.zeros_like(flat, dtype=torch.bool)
    chosen[flat.topk(round(share * len(flat)), largest=False).indices] = True
    pieces = chosen.split([part.numel() for part in gradients])
    return [piece.view_as(part) for piece, part in zip(pieces, gradients, strict=True)]


@torch.no_grad()
def draw_anew(layers: Sequence[Weighted], masks: Sequence[Tensor]) -> None:
    """Give the masked weights fresh initial values, as the layer itself draws them."""
    for layer, mask in zip(layers, masks, strict=True):
        fresh = deepcopy(layer)
        fresh.reset_parameters()
        layer.weight.copy_(torch.where(mask, fresh.weight, layer.weight))


def paced(mask: Tensor, pace: float) -> Callable[[Tensor], Tensor]:
    """A gradient hook that slows down the weights outside the mask."""
    return lambda grad: torch.where(mask, grad, grad * pace)


def triangle(steps: int, warm_up: float) -> Callable[[int], float]:
    """A rate factor that rises linearly to 1 over the warm-up, then falls linearly to 0."""
    rising = max(1, round(steps * warm_up))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return max(0.0, (steps - step) / max(1, steps - rising))

    return factor
