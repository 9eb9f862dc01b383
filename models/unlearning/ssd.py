"""Shrink the weights that matter far more to the forget set than to the rest; no training at all.

Source: Foster et al., "Fast Machine Unlearning Without Retraining Through Selective Synaptic
Dampening", arXiv 2308.07707. Its public code squares the gradient of a batch's mean, so that the
importance depends on the batch size; here each sample's own gradient is squared.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from models.batch_losses import batch_losses, movable, require_losses_per_sample
from models.data import Samples, Split
from models.diverged import Diverged
from models.progress import Progress
from models.recipe import Recipe
from models.seeding import seeded
from models.unlearning.contract import Stop, Trace, Unlearned
from models.unlearning.gradients import at_least_one, gradient, require_both_sets, working_copy


def ssd(
    network: nn.Module,
    split: Split,
    recipe: Recipe,
    /,
    *,
    selection: float = 10.0,
    dampening: float = 1.0,
    most_samples: int = 2048,
    seed: int,
    progress: Progress,
) -> Unlearned:
    """Where I_F > α·I_D, multiply the weight by min(λ·I_D/I_F, 1); α `selection`, λ `dampening`.

    I is the mean squared gradient of a set's samples, D the whole training set. `most_samples`
    bounds what is read of the forget and of the retain set. Very sensitive to α: where no weight is
    selected the answer is `Stop.ZERO_GRADIENT`.
    """
    require_both_sets(split)
    at_least_one(most_samples=most_samples)
    require_losses_per_sample(network, recipe, split.forget)
    student = working_copy(network)
    with seeded(seed) as generator:
        forget = some(split.forget, most_samples, generator)
        retain = some(split.retain, most_samples, generator)
    progress(0.0, "importance for the forget set")
    ours = importance(student, forget, recipe)
    progress(len(forget) / (len(forget) + len(retain)), "importance for the retain set")
    theirs = importance(student, retain, recipe)
    share = len(split.forget) / (len(split.forget) + len(split.retain))
    overall = [share * f + (1 - share) * r for f, r in zip(ours, theirs, strict=True)]
    dampened = dampen(movable(student), ours, overall, selection=selection, dampening=dampening)
    return Unlearned(
        student,
        Trace(
            stop=Stop.BUDGET if dampened else Stop.ZERO_GRADIENT,
            steps=1,
            sample_passes=len(forget) + len(retain),
            columns={"dampened_weights": [float(dampened)]},
        ),
    )


def importance(network: nn.Module, samples: Samples, recipe: Recipe) -> list[Tensor]:
    """The mean over samples of each one's squared gradient, one tensor per parameter.

    One sample at a time: slower than a vectorised map, but right for every network.
    """
    parameters = movable(network)
    total = [torch.zeros_like(parameter) for parameter in parameters]
    for row in torch.arange(len(samples)).split(1):
        own = gradient(batch_losses(network, recipe, samples, row).sum(), parameters)
        torch._foreach_addcmul_(total, own, own)
    means: list[Tensor] = list(torch._foreach_div(total, len(samples)))
    if not all(bool(torch.isfinite(mean).all()) for mean in means):
        raise Diverged("a gradient is not finite")
    return means


@torch.no_grad()
def dampen(
    parameters: Sequence[Tensor],
    ours: Sequence[Tensor],
    overall: Sequence[Tensor],
    *,
    selection: float,
    dampening: float,
) -> int:
    """Shrink the selected weights in place; returns how many there were."""
    count = 0
    for parameter, forget, whole in zip(parameters, ours, overall, strict=True):
        selected = forget > selection * whole
        factor = (dampening * whole / forget).clamp(max=1.0)
        parameter.copy_(torch.where(selected, parameter * factor, parameter))
        count += int(selected.sum())
    return count


def some(samples: Samples, most: int, generator: torch.Generator) -> Samples:
    """At most so many of the samples, drawn at random."""
    if len(samples) <= most:
        return samples
    return samples.take(torch.randperm(len(samples), generator=generator)[:most])
