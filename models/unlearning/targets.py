"""Where the losses of forgotten samples should be: where they would be had they never been seen.

Sources: held-out loss as the target is ∇τ's (Trippa et al., arXiv 2403.14339); a target per sample
from a reference table, and per class where there is none, are our own.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from models.data import Split
from models.recipe import Recipe
from models.training import evaluate
from models.unlearning.contract import Diverged

# Shares of the mean target: how far below it the forget set counts as forgotten, and how far above
# it as forgotten too well. A retrain's own seeds differ by more than the first.
TOLERANCE = 0.05
OVERSHOOT = 0.1
# Share of the first deficit that is left when nothing is known of the spread of unseen losses:
# retrained networks, measured against the mean of references, kept 0.25 to 0.45 of it.
REMAINDER = 0.25
# E(x)₊ of a centred normal variable, in its standard deviations.
HALF_NORMAL = 0.4


class Aim(StrEnum):
    """Which quantity a method raises."""

    SAMPLES = "samples"  # −mean (τ_i − ℓ_i)₊: a sample that has reached its target drops out
    MEAN = "mean"  # the mean loss, up to the mean target
    ASCENT = "ascent"  # the mean loss, without end; for comparison


@dataclass(frozen=True)
class Goal:
    """What forgetting means for one forget set.

    `targets`: τ, `[F]`, on the network's device. `band`: the mean deficit that may remain.
    `level`: the mean loss at which the set as a whole is forgotten, and `slack` the distance to it
    that makes no difference; `limit`: the mean loss above which it is forgotten too well.
    """

    aim: Aim
    targets: Tensor
    band: float
    level: float
    limit: float
    slack: float


@dataclass(frozen=True)
class Standing:
    """Where the whole forget set stands: its mean deficit, its mean loss, and what follows."""

    owed: float
    mean_loss: float
    reached: bool
    overshot: bool


def goal_for(
    losses: Tensor,
    targets: Tensor,
    *,
    aim: Aim,
    band: float | None = None,
    spread: Tensor | None = None,
) -> Goal:
    """The goal for a forget set with these losses (`[F]`, before) and targets (`[F]`).

    `spread` (`[F]`): the standard deviations of unseen losses around their targets, which set the
    band. What lies above its target already is not unlearning's doing and is left out of account.
    """
    if not bool(torch.isfinite(losses).all()):
        raise Diverged("the losses of the forget set are not finite before the first step")
    mean = float(targets.mean())
    if aim is Aim.ASCENT:
        return Goal(aim, targets, band=-torch.inf, level=0.0, limit=torch.inf, slack=0.0)
    excess = float((losses - targets).clamp(min=0).mean()) if aim is Aim.SAMPLES else 0.0
    level = mean + excess
    slack = TOLERANCE * abs(mean)
    return Goal(
        aim=aim,
        targets=targets,
        band=_band(losses, targets, aim, slack, spread) if band is None else band,
        level=level,
        limit=max(level, float(losses.mean())) + OVERSHOOT * abs(mean),
        slack=slack,
    )


def owed(goal: Goal, losses: Tensor, targets: Tensor, *, count: int | None = None) -> Tensor:
    """The deficit of a batch, a scalar; its negative is what is raised. ASCENT owes −mean ℓ.

    `count`: of how many samples the batch consists, where these are only a part of it; the
    gradients of the parts then add up to the batch's.
    """
    every = len(losses) if count is None else count
    if goal.aim is Aim.SAMPLES:
        return (targets - losses).clamp(min=0).sum() / every
    return goal.level - losses.sum() / every


def standing(goal: Goal, losses: Tensor, *, before: Standing | None = None) -> Standing:
    """How the whole forget set stands, from its losses `[F]`.

    A goal that had been reached `before` counts as reached within twice the slack, so that mending
    the retain loss does not switch forgetting on again at every other step.
    """
    deficit = float(owed(goal, losses, goal.targets))
    mean = float(losses.mean())
    leeway = goal.slack if before is not None and before.reached else 0.0
    return Standing(
        owed=deficit,
        mean_loss=mean,
        reached=goal.aim is not Aim.ASCENT
        and (deficit <= goal.band + leeway or mean >= goal.level - goal.slack - leeway),
        overshot=not mean <= goal.limit,  # a loss that is not a number is beyond every limit
    )


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
    return torch.where(missing, class_matched(network, split, recipe).to(targets), targets)


def class_matched(network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: the mean validation loss of each sample's stratum."""
    if len(split.validation) == 0:
        raise ValueError("without validation samples there is no target; pass `targets`")
    losses = evaluate(network, split.validation, recipe.losses)
    return class_means(losses, split.validation.strata, split.forget.strata)


def class_means(values: Tensor, strata: Tensor, wanted: Tensor) -> Tensor:
    """`[len(wanted)]`: each wanted stratum's mean value; the overall mean where it is absent."""
    classes, places = torch.unique(torch.cat([strata, wanted]), return_inverse=True)
    own, asked = places[: len(strata)], places[len(strata) :]
    sums = torch.zeros(len(classes), dtype=values.dtype).index_add(0, own, values)
    counts = torch.bincount(own, minlength=len(classes))
    means = torch.where(counts > 0, sums / counts.clamp(min=1), values.mean())
    return means[asked]


def _band(losses: Tensor, targets: Tensor, aim: Aim, slack: float, spread: Tensor | None) -> float:
    """The mean deficit at which to stop; retrained networks leave one too, as they scatter."""
    if aim is Aim.MEAN:
        return slack
    if spread is not None:
        return max(HALF_NORMAL * float(spread.mean()), slack)
    return max(REMAINDER * float((targets - losses).clamp(min=0).mean()), slack)
