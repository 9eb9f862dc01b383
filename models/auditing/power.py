"""What an attack could have seen: how large a leak, and with how many samples a smaller one."""

from math import ceil
from statistics import NormalDist

from models.auditing.attacks import Separation
from models.auditing.intervals import z_of


def fitting_margin(error: float, *, confidence: float) -> float:
    """The margin into which a network without a leak fits in 99 % of audits.

    Its interval reaches z_c standard errors either way and its estimate strays by z_0.99.
    """
    return (z_of(confidence) + z_of(0.99)) * error


def chance_margin(forgotten: int, unseen: int, *, confidence: float) -> float:
    """The same around an AUC of 0.5: under chance its variance is (1/n + 1/m)/12.

    Mann and Whitney 1947, for many of both.
    """
    return fitting_margin(((1 / forgotten + 1 / unseen) / 12) ** 0.5, confidence=confidence)


def forgotten_needed(separation: Separation, margin: float, *, confidence: float) -> int | None:
    """How many forgotten samples let a network without a leak pass in 19 of 20 audits.

    The interval must fit in ±margin whichever way its estimate falls: (z_c + z_0.95)·se <= margin.
    None where the unseen samples alone give a wider interval.
    """
    allowed = (margin / (z_of(confidence) + z_of(0.95))) ** 2 - separation.unseen_variance
    if allowed <= 0:
        return None
    return ceil(separation.forgotten * separation.forgotten_variance / allowed)


def detectable(separation: Separation, *, confidence: float) -> float:
    """The least leak whose interval would have excluded the yardstick in 8 of 10 audits."""
    error = (separation.forgotten_variance + separation.unseen_variance) ** 0.5
    return (z_of(confidence) + z_of(0.60)) * error


def detectable_gap(riders: int, never_seen: int, *, level: float) -> float:
    """By how much an AUC must lie from 0.5 for a two-sided rank test to see it in 8 of 10 cases.

    Noether, Journal of the American Statistical Association 82 (1987), with the variance of the
    null: (n + m + 1)/(12·n·m). Above 0.5 none is seen so often: no AUC lies further off.
    """
    error = ((riders + never_seen + 1) / (12 * riders * never_seen)) ** 0.5
    return (z_of(1 - level) + z_of(0.60)) * error


def leaking_share(gap: float, *, deviations: float = 3.0) -> float | None:
    """The share of members that, shifted by so many standard deviations, moves the AUC by the gap.

    Each shifted one adds Φ(d/√2) - 1/2 (Bamber, Journal of Mathematical Psychology 12, 1975). None
    where even all of them would not move it so far.
    """
    share = gap / (NormalDist().cdf(deviations / 2**0.5) - 0.5)
    return share if share <= 1 else None
