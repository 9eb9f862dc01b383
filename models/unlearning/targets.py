"""Where the losses of forgotten samples should be: where they would be had they never been seen.

Sources: held-out loss as the target is ∇τ's (Trippa et al., arXiv 2403.14339), logit-scaled
confidence is LiRA's (Carlini et al., arXiv 2112.03570, eq. 5). A target per sample, from a table of
references or by rank, and the hinge on the confidence are our own.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor, nn

from models.data import Samples, Split, lot
from models.diverged import Diverged
from models.recipe import Recipe
from models.training import evaluate

# Shares of what is owed at first: how far below the target the forget set as a whole counts as
# forgotten, and how far above it as forgotten too well. Retrains differ by more than the first.
TOLERANCE = 0.05
OVERSHOOT = 0.1
# Share of the first deficit that may be left where the spread of unseen losses is not known; and
# the most of it in the scale of confidence, where retrained networks keep 0.5 to 1.
REMAINDER = 0.1
MOST_LEFT = 0.5
# Share of the first deficit above which what single samples owe was not paid by themselves.
UNPAID = 2 / 3
# E(x)₊ of a centred normal variable, in its standard deviations.
HALF_NORMAL = 0.4
# The least difference of two losses that is told: below it lies what float32 does to them.
GRAIN = 1e-4
RANKED = 4096  # retained samples, at most, among which a forgotten one is ranked


class Aim(StrEnum):
    """Which quantity a method raises."""

    CONFIDENCE = "confidence"  # as below, of log(eˡ − 1), the negated logit of the confidence
    SAMPLES = "samples"  # −mean (τ_i − ℓ_i)₊: a sample that has reached its target drops out
    MEAN = "mean"  # the mean loss, up to the mean target
    ASCENT = "ascent"  # the mean loss, without end; for comparison


class Shape(StrEnum):
    """How much each sample's distance to its target counts in a step, where targets are its own."""

    LINEAR = "linear"  # a sample that owes counts as one, another not at all
    SQUARED = "squared"  # by what it owes
    TWO_SIDED = "two_sided"  # the same, and what went too far is drawn back


@dataclass(frozen=True)
class Goal:
    """What forgetting means for one forget set; every number is in the scale of the aim.

    `targets`: τ, `[F]`, on the network's device. `band`: the mean deficit that may remain.
    `first`: the one at first. `level`: the mean at which the set as a whole is forgotten, and
    `slack` the distance to it that makes no difference; `limit`: the mean above which it is
    forgotten too well.
    """

    aim: Aim
    targets: Tensor
    band: float
    first: float
    level: float
    limit: float
    slack: float
    shape: Shape = Shape.LINEAR


@dataclass(frozen=True)
class Standing:
    """Where the whole forget set stands: its mean deficit, its mean loss, and what follows.

    `reached`: it is forgotten as a whole, so that more would push it too far. `paid`: and that is
    so because those paid that owed, and not because others rose in their place.
    """

    owed: float
    mean_loss: float
    reached: bool
    paid: bool
    overshot: bool


def goal_for(
    losses: Tensor,
    targets: Tensor,
    *,
    aim: Aim,
    band: float | None = None,
    spread: Tensor | None = None,
    shape: Shape = Shape.LINEAR,
) -> Goal:
    """The goal for a forget set with these losses (`[F]`, before) and targets (`[F]`).

    `spread` (`[F]`): how far unseen samples scatter around their targets, as standard deviations in
    the scale of the aim; it sets the band, unless it is not finite and so unknown. What lies above
    its target already is not unlearning's doing and is left out of account.
    """
    if not bool(torch.isfinite(losses).all()):
        raise Diverged("the losses of the forget set are not finite before the first step")
    if aim is Aim.CONFIDENCE and not can_be_confidence(losses, targets):
        raise ValueError("losses below nought are no confidences; aim at 'samples' or 'mean'")
    if aim is Aim.ASCENT:
        return Goal(
            aim, targets, band=-torch.inf, first=torch.inf, level=0.0, limit=torch.inf, slack=0.0
        )
    start, due = scaled(aim, losses), scaled(aim, targets)
    if aim is Aim.MEAN:
        level = float(due.mean())
        owed_first = max(level - float(start.mean()), 0.0)
    else:
        level = float(torch.maximum(due, start).mean())
        owed_first = float((due - start).clamp(min=0).mean())
    slack = min(TOLERANCE * owed_first, MOST_LEFT / 2 if aim is Aim.CONFIDENCE else torch.inf)
    return Goal(
        aim=aim,
        targets=due,
        band=_band(aim, owed_first, slack, spread) if band is None else band,
        first=owed_first,
        level=level,
        limit=max(level, float(start.mean())) + OVERSHOOT * owed_first,
        slack=slack,
        shape=shape,
    )


def scaled(aim: Aim, losses: Tensor) -> Tensor:
    """Losses in the scale of the aim.

    log(eˡ − 1) is log l where l is small and l where it is large. Attacks rank samples, and most
    samples of a trained network lie where only the logarithm tells seen from unseen.
    """
    if aim is not Aim.CONFIDENCE:
        return losses
    large = losses > 20  # where it is l itself, in float32
    small = losses.clamp(max=20).expm1()
    return torch.where(large, losses, (small.clamp(min=0) + GRAIN).log())


def unscaled(aim: Aim, values: Tensor) -> Tensor:
    """The losses of these values: the inverse of `scaled`, never below nought."""
    if aim is not Aim.CONFIDENCE:
        return values
    small = (values.clamp(max=20).exp() - GRAIN).clamp(min=0).log1p()
    return torch.where(values > 20, values, small)


def can_be_confidence(*losses: Tensor) -> bool:
    """Whether none is below nought, as a density's or a difference's may be."""
    return all(bool((some >= 0).all()) for some in losses)


def owed(goal: Goal, losses: Tensor, targets: Tensor, *, count: int | None = None) -> Tensor:
    """The deficit of a batch, a scalar: mean (τ_i − v_i)₊. ASCENT owes −mean ℓ.

    `targets`: the goal's, of the batch. `count`: of how many samples the batch consists, where
    these are only a part of it; the gradients of the parts then add up to the batch's.
    """
    every = len(losses) if count is None else count
    if goal.aim in (Aim.CONFIDENCE, Aim.SAMPLES):
        return (targets - scaled(goal.aim, losses)).clamp(min=0).sum() / every
    return goal.level - losses.sum() / every


def brought_down(
    goal: Goal, losses: Tensor, targets: Tensor, *, before: Standing, count: int | None = None
) -> Tensor:
    """What a step brings down: what is owed, or Σ(τ_i − v_i)² over twice the mean owed `before`.

    So both are in one scale, and samples that owe count as one in the mean.
    """
    if goal.shape is Shape.LINEAR or goal.aim not in (Aim.CONFIDENCE, Aim.SAMPLES):
        return owed(goal, losses, targets, count=count)
    gaps = targets - scaled(goal.aim, losses)
    if goal.shape is Shape.SQUARED:
        gaps = gaps.clamp(min=0)
    every = len(losses) if count is None else count
    return gaps.square().sum() / (2 * every * max(before.owed, goal.slack, GRAIN))


def standing(goal: Goal, losses: Tensor, *, before: Standing | None = None) -> Standing:
    """How the whole forget set stands, from its losses `[F]`.

    A goal that had been reached `before` counts as reached within twice the slack, so that mending
    the retain loss does not switch forgetting on again at every other step.
    """
    deficit = float(owed(goal, losses, goal.targets))
    mean = float(scaled(goal.aim, losses).mean())
    leeway = goal.slack if before is not None and before.reached else 0.0
    inside = deficit <= goal.band + leeway
    risen = mean >= goal.level - goal.slack - leeway
    return Standing(
        owed=deficit,
        mean_loss=float(losses.mean()),
        reached=goal.aim is not Aim.ASCENT and (inside or risen),
        paid=inside or deficit <= UNPAID * goal.first,
        overshot=not mean <= goal.limit,  # a loss that is not a number is beyond every limit
    )


def complete(targets: Tensor, network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: a reference table's τ, by rank where a row is missing (NaN).

    `ValueError` for another shape and for infinite targets.
    """
    if targets.shape != (len(split.forget),):
        raise ValueError(
            f"targets have shape {tuple(targets.shape)}; there are {len(split.forget)} samples "
            "to forget, and each has one target"
        )
    if bool(torch.isinf(targets).any()):
        raise ValueError("targets are finite losses, or NaN where they are unknown; some are not")
    missing = torch.isnan(targets)
    if not bool(missing.any()):
        return targets
    return torch.where(missing, rank_matched(network, split, recipe).to(targets), targets)


def rank_matched(network: nn.Module, split: Split, recipe: Recipe) -> Tensor:
    """`[len(split.forget)]`: the validation loss of equal rank in the sample's stratum.

    The rank is that of its loss among retained samples: the map that takes what the network was
    trained on to what it was not, quantile by quantile. So the forget set becomes as spread out as
    unseen samples are, and the samples that the network found hard become the hard ones.
    """
    if len(split.validation) == 0:
        raise ValueError("without validation samples there is no target; pass `targets`")
    kept = split.retain.take(lot(len(split.retain), seed=0, most=RANKED))
    asked, seen, unseen = (
        in_full(evaluate(network, samples, recipe.losses))
        for samples in (split.forget, kept, split.validation)
    )
    targets = torch.empty_like(asked)
    for stratum in split.forget.strata.unique():
        here = split.forget.strata == stratum
        ranks = mid_ranks(asked[here], of_stratum(seen, kept, stratum))
        targets[here] = torch.quantile(of_stratum(unseen, split.validation, stratum), ranks)
    return targets


def in_full(losses: Tensor) -> Tensor:
    """In float32 at least: half precision has no quantiles, and rounds small losses together."""
    return losses.to(torch.promote_types(losses.dtype, torch.float32))


def of_stratum(values: Tensor, samples: Samples, stratum: Tensor) -> Tensor:
    """The values of one stratum's samples; all values where it has none."""
    own = values[samples.strata == stratum]
    return own if len(own) > 0 else values


def mid_ranks(values: Tensor, among: Tensor) -> Tensor:
    """`[len(values)]`: the share of `among` that lies below each value, with half of its equals."""
    ordered = among.sort().values
    below, up_to = (torch.searchsorted(ordered, values, right=right) for right in (False, True))
    return (below + up_to).to(values) / (2 * len(ordered))


def class_means(values: Tensor, strata: Tensor, wanted: Tensor) -> Tensor:
    """`[len(wanted)]`: each wanted stratum's mean value; the overall mean where it is absent."""
    classes, places = torch.unique(torch.cat([strata, wanted]), return_inverse=True)
    own, asked = places[: len(strata)], places[len(strata) :]
    sums = torch.zeros(len(classes), dtype=values.dtype).index_add(0, own, values)
    counts = torch.bincount(own, minlength=len(classes))
    means = torch.where(counts > 0, sums / counts.clamp(min=1), values.mean())
    return means[asked]


def _band(aim: Aim, owed_first: float, slack: float, spread: Tensor | None) -> float:
    """The mean deficit at which to stop; retrained networks leave one too, as they scatter."""
    if aim is Aim.MEAN:
        return slack
    if spread is not None and bool(torch.isfinite(spread).all()):
        return max(HALF_NORMAL * float(spread.mean()), slack)
    return min(REMAINDER * owed_first, MOST_LEFT if aim is Aim.CONFIDENCE else torch.inf)
