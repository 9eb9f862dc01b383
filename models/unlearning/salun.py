"""Random labels for the forget set, learnt only by the weights that matter most for it.

Source: Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-Based Weight Saliency",
arXiv 2310.12508, with the two corrections its public code needed: the mask keeps the most salient
weights, and neither weight decay nor momentum may move the others.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from models.batch_losses import batch_losses, movable, require_losses_per_sample
from models.data import Samples, Split
from models.progress import Progress
from models.recipe import Recipe, labelled
from models.seeding import seeded
from models.training import device_of
from models.unlearning.contract import Unlearned
from models.unlearning.descent import Descent, descent, one_pass
from models.unlearning.gradients import at_least_one, gradient, require_both_sets, saved
from models.unlearning.logits import Logits, class_logits


def salun(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    epochs: int = 10,
    rate: float = 0.013,
    saliency: float = 0.5,
    batch_size: int = 128,
    logits: Logits = class_logits,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Each epoch: labels drawn anew for the forget set and learnt, then the retain set learnt.

    `saliency`: the share of all weights that may move. Labels are drawn from as many classes as
    there are logits, the true one among them. Batches must be pairs (inputs, labels), with int64
    labels; otherwise a `ValueError`.
    """
    require_both_sets(split)
    at_least_one(epochs=epochs, batch_size=batch_size)
    if not 0 < saliency <= 1:
        raise ValueError(f"saliency is a share above 0 and up to 1, not {saliency}")
    way = descent(network, rate=rate)
    classes = class_count(way.network, split.forget, logits)
    require_losses_per_sample(network, recipe, split.forget)
    parameters = movable(way.network)
    original = saved(parameters)
    masks = salient(forget_gradient(way.network, split.forget, recipe, batch_size), saliency)
    way.passes += len(split.forget)
    with seeded(seed) as generator:
        for epoch in range(epochs):
            progress(epoch / epochs, f"epoch {epoch + 1} of {epochs}")
            wrong = relabelled(split.forget, classes, generator=generator)
            for samples, name in ((wrong, "random_label_loss"), (split.retain, "retain_loss")):
                for rows in one_pass(samples, batch_size, generator=generator):
                    loss = batch_losses(way.network, recipe, samples, rows).mean()
                    way.step(loss, samples=len(rows), **{name: loss})
                    hold(way, parameters, original, masks)
    return way.ended()


def forget_gradient(
    network: nn.Module, forget: Samples, recipe: Recipe, batch_size: int
) -> list[Tensor]:
    """The gradient of the forget set's summed loss, the weights held fixed; one per parameter."""
    parameters = movable(network)
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for rows in torch.arange(len(forget)).split(batch_size):
        loss = batch_losses(network, recipe, forget, rows).sum()
        torch._foreach_add_(total, gradient(loss, parameters))
    return total


def salient(gradients: Sequence[Tensor], share: float) -> list[Tensor]:
    """Boolean masks of the `share` of all weights with the largest absolute gradient.

    The rank is over the whole network; it is exact in number, whatever ties there are.
    """
    sizes = [part.numel() for part in gradients]
    flat = torch.cat([part.flatten().abs() for part in gradients])
    kept = torch.zeros_like(flat, dtype=torch.bool)
    kept[flat.topk(max(1, round(share * len(flat)))).indices] = True
    pieces = kept.split(sizes)
    return [piece.view_as(part) for piece, part in zip(pieces, gradients, strict=True)]


@torch.no_grad()
def hold(
    way: Descent, parameters: Sequence[Tensor], original: Sequence[Tensor], masks: Sequence[Tensor]
) -> None:
    """Put masked-out weights back where they were, and clear their momentum."""
    for parameter, before, mask in zip(parameters, original, masks, strict=True):
        parameter.copy_(torch.where(mask, parameter, before))
        momentum = way.optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            momentum.mul_(mask)


def relabelled(forget: Samples, classes: int, *, generator: torch.Generator) -> Samples:
    """The forget set with labels drawn evenly from all classes."""
    inputs, labels = labelled(forget.batch)
    return replace(
        forget, batch=(inputs, torch.randint(classes, labels.shape, generator=generator))
    )


def class_count(network: nn.Module, forget: Samples, logits: Logits) -> int:
    """How many classes the network tells apart; `ValueError` where batches carry no labels."""
    _, labels = labelled(forget.batch)
    if labels.dtype != torch.int64 or labels.ndim != 1:
        raise ValueError("random labels need batches that are pairs (inputs, int64 labels [B])")
    with torch.no_grad():
        first = forget.rows(torch.arange(1), device=device_of(network))
        return logits(network, first).shape[1]
