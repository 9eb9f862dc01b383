"""Where the loss of a forgotten sample should be: that of a sample that was never seen.

Source: ∇τ (Trippa et al., arXiv 2403.14339) for held-out loss as the target; per class, and per
sample from a reference table, after our own notes (docs/decisions).
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from models.data import Samples, Split
from models.recipe import Recipe
from models.training import evaluate


class Aim(StrEnum):
    """Which quantity is raised."""

    SAMPLES = "samples"  # minus the mean of (τ_i − ℓ_i)₊: a satisfied sample drops out
    MEAN = "mean"  # the mean loss, up to the mean target
    ASCENT = "ascent"  # the mean loss, without end: only for comparison


def class_means(values: Tensor, strata: Tensor, wanted: Tensor) -> Tensor:
    """`[len(wanted)]`: the mean value of each wanted stratum; the overall mean where it is absent."""
    classes, places = torch.unique(torch.cat([strata, wanted]), return_inverse=True)
    own, asked = places[: len(strata)], places[len(strata) :]
    counts = torch.zeros(len(classes), dtype=values.dtype).index_add(
        0, own, torch.ones_like(values)
    )
    sums = torch.zeros(len(classes), dtype=values.dtype).index_add(0, own, values)
    means = torch.where(counts > 0, sums / counts.clamp(min=1), values.mean())
    return means[asked]


def class_quantiles(values: Tensor, strata: Tensor, wanted: Tensor, order: Tensor) -> Tensor:
    """`[len(wanted)]`: unseen losses handed out by rank within each stratum.

    `order` (`[len(wanted)]`) ranks the wanted samples: the one with the largest gets the largest
    unseen loss of its stratum, so that the forget set comes to be distributed as unseen data.
    """
    targets = torch.empty(len(wanted), dtype=values.dtype)
    for stratum in torch.unique(wanted):
        rows = (wanted == stratum).nonzero().flatten()
        pool = values[strata == stratum] if bool((strata == stratum).any()) else values
        ranks = (torch.argsort(torch.argsort(order[rows], stable=True)) + 0.5) / len(rows)
        targets[rows] = torch.quantile(pool, ranks.to(pool.dtype))
    return targets


def complete(targets: Tensor, network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: a reference table's τ, class-matched where a row is missing (NaN)."""
    if targets.shape != (len(split.forget),):
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}; there are {len(split.forget)} samples "
            "to forget, and each has one target"
        )
    missing = torch.isnan(targets)
    if not bool(missing.any()):
        return targets
    losses = evaluate(network, split.validation, recipe.losses)
    matched = class_means(losses, split.validation.strata, split.forget.strata)
    return torch.where(missing, matched, targets)


def complete(targets: Tensor, network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: a reference table's τ, class-matched where a row is missing (NaN)."""
    if targets.shape != (len(split.forget),):
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}; there are {len(split.forget)} samples "
            "to forget, and each has one target"
        )
    missing = torch.isnan(targets)
    if not bool(missing.any()):
        return targets
    losses = evaluate(network, split.validation, recipe.losses)
    matched = class_means(losses, split.validation.strata, split.forget.strata)
    return torch.where(missing, matched, targets)


def complete(targets: Tensor, network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: a reference table's τ, class-matched where a row is missing (NaN)."""
    if targets.shape != (len(split.forget),):
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}; there are {len(split.forget)} samples "
            "to forget, and each has one target"
        )
    missing = torch.isnan(targets)
    if not bool(missing.any()):
        return targets
    losses = evaluate(network, split.validation, recipe.losses)
    matched = class_means(losses, split.validation.strata, split.forget.strata)
    return torch.where(missing, matched, targets)


def complete(targets: Tensor, network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: a reference table's τ, class-matched where a row is missing (NaN)."""
    if targets.shape != (len(split.forget),):
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}; there are {len(split.forget)} samples "
            "to forget, and each has one target"
        )
    missing = torch.isnan(targets)
    if not bool(missing.any()):
        return targets
    losses = evaluate(network, split.validation, recipe.losses)
    matched = class_means(losses, split.validation.strata, split.forget.strata)
    return torch.where(missing, matched, targets)


def complete(targets: Tensor, network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: a reference table's τ, class-matched where a row is missing (NaN)."""
    if targets.shape != (len(split.forget),):
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}; there are {len(split.forget)} samples "
            "to forget, and each has one target"
        )
    missing = torch.isnan(targets)
    if not bool(missing.any()):
        return targets
    losses = evaluate(network, split.validation, recipe.losses)
    matched = class_means(losses, split.validation.strata, split.forget.strata)
    return torch.where(missing, matched, targets)


def complete(targets: Tensor, network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: a reference table's τ, class-matched where a row is missing (NaN)."""
    if targets.shape != (len(split.forget),):
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}; there are {len(split.forget)} samples "
            "to forget, and each has one target"
        )
    missing = torch.isnan(targets)
    if not bool(missing.any()):
        return targets
    losses = evaluate(network, split.validation, recipe.losses)
    matched = class_means(losses, split.validation.strata, split.forget.strata)
    return torch.where(missing, matched, targets)
