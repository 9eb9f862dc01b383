"""How much forgetting is still owed: the loss a sample should have, less the loss it has.

δ_i = τ_i − ℓ_i, with τ_i from references that never saw the sample; where there are none, the mean
held-out loss of the sample's stratum. The latter is blind to memorized samples, whose unseen loss
lies far above that of their stratum.
"""

import torch
from torch import Tensor

from models.data import Samples
from models.hardness.record import Deficit, TargetRule


def deficit(
    forget: Samples,
    losses: Tensor,
    *,
    validation: Samples,
    held_out: Tensor,
    targets: Tensor | None = None,
    spread: Tensor | None = None,
) -> Deficit:
    """Summarise δ over a forget set, from the losses `[N]` of its samples.

    `held_out`: the losses of the validation samples, `[V]`. `targets`: τ `[N]`, NaN where no
    reference left the sample out. `spread`: the references' standard deviation around τ, `[N]`.
    Raises `ValueError` for an empty forget set, for losses that are not finite and where there is
    no way to a target.
    """
    losses = finite(losses, "forget")
    if targets is not None:
        targets = aligned(targets, losses, "targets")
        if not bool(torch.isnan(targets).any()):
            return against_references(losses, targets, spread)
    matched, variance = matched_targets(forget, validation, held_out)
    if targets is not None:
        matched = torch.where(torch.isnan(targets), matched, targets)
    return summary(TargetRule.MATCHED, matched - losses, target_variance=variance)


def matched_targets(forget: Samples, validation: Samples, held_out: Tensor) -> tuple[Tensor, float]:
    """τ for each forget sample, float64 `[N]`, and the variance that few held-out samples give
    their mean.

    A stratum that has fewer than two held-out samples takes the mean of all of them.
    """
    held_out = finite(held_out, "held-out")
    targets = torch.empty(len(forget), dtype=torch.float64)
    variance = 0.0
    for stratum in forget.strata.unique():
        here = forget.strata == stratum
        like = held_out[validation.strata == stratum]
        like = held_out if len(like) < 2 else like
        targets[here] = like.mean()
        variance += here.double().mean().item() ** 2 * sample_variance(like) / len(like)
    return targets, variance


def against_references(losses: Tensor, targets: Tensor, spread: Tensor | None) -> Deficit:
    """The deficit against per-sample targets, and how far one reference's own mean would stray.

    References are taken to err independently from sample to sample. In truth they err together,
    which makes the real spread wider: this one is on the safe side for saying "nothing is owed".
    A spread that is not finite is known to nobody: no sample was left out twice.
    """
    owed = targets - losses
    spread = None if spread is None else aligned(spread, losses, "spread")
    if spread is None or not bool(torch.isfinite(spread).all()):
        return summary(TargetRule.REFERENCE, owed)
    return summary(
        TargetRule.REFERENCE,
        owed,
        spread=(spread.square().sum().sqrt() / len(spread)).item(),
        exposed=(owed > 2 * spread).double().mean().item(),
    )


def summary(
    rule: TargetRule,
    per_sample: Tensor,
    *,
    target_variance: float = 0.0,
    spread: float | None = None,
    exposed: float | None = None,
) -> Deficit:
    """Mean, standard error and shares of per-sample deficits `[N]`."""
    variance = sample_variance(per_sample) / len(per_sample) + target_variance
    return Deficit(
        rule=rule,
        mean=per_sample.mean().item(),
        error=variance**0.5,
        positive=(per_sample > 0).double().mean().item(),
        owed=per_sample.clamp(min=0).mean().item(),
        spread=spread,
        exposed=exposed,
    )


def sample_variance(values: Tensor) -> float:
    """The variance over N − 1; of a single value its square, for want of anything better."""
    return values.var().item() if len(values) > 1 else values.square().sum().item()


def finite(losses: Tensor, which: str) -> Tensor:
    """The losses as float64, refused where there are none or one is not finite."""
    if len(losses) == 0:
        raise ValueError(f"there are no {which} samples to take losses of")
    if not bool(torch.isfinite(losses).all()):
        raise ValueError(f"a {which} loss is not finite; the parent version is broken")
    return losses.double()


def aligned(values: Tensor, losses: Tensor, name: str) -> Tensor:
    """The values as float64 `[N]`, refused where they are not one per forget sample."""
    if values.shape != losses.shape:
        raise ValueError(f"{name} has shape {tuple(values.shape)}, not {tuple(losses.shape)}")
    return values.double()
