"""Attacks on a served network: can forgotten samples be told from ones it never saw?

Pure functions of per-sample signals. Every attack gives an AUC, P(forgotten looks more like a
member than unseen), compared within strata only: 0.5 is chance, above it something is remembered,
below it something was pushed too far, which tells as much (FUMA, Apollo arXiv 2506.09923).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.auditing.intervals import CONFIDENCE, Floats, Interval, around, z_of

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Placements:
    """Where each sample stands among the other side's samples of its stratum, 0..1.

    `forgotten` `[n]`: the share of unseen samples that look less like members, ties by half.
    `unseen` `[m]`: the share of forgotten samples that look more like members, ties by half.
    `unseen_strata` `[m]` and `weights`, per stratum its share of the n forgotten samples.
    A difference of two placements of the same samples is a `Placements` too, within -1..1.
    """

    forgotten: Floats
    unseen: Floats
    unseen_strata: Ints
    weights: dict[int, float]


@dataclass(frozen=True)
class Separation:
    """An AUC, or a difference of AUCs, with its interval and where its variance comes from.

    The parts shrink as 1/n and 1/m, which tells how many samples of either kind were needed.
    """

    interval: Interval
    forgotten: int
    unseen: int
    forgotten_variance: float
    unseen_variance: float

    def over_chance(self) -> "Separation":
        """The AUC as its distance from 0.5."""
        return replace(self, interval=self.interval.shifted(-0.5))

    def at_least(self, noise: float, *, confidence: float) -> "Separation":
        """The same estimate, its standard error over forgotten samples no less than `noise`."""
        if noise**2 <= self.forgotten_variance:
            return self
        error = (noise**2 + self.unseen_variance) ** 0.5
        own, half = self.interval, z_of(confidence) * error
        low, high = min(own.low, own.estimate - half), max(own.high, own.estimate + half)
        return replace(  # of few samples its own is wider, by Student's t
            self,
            interval=Interval(own.estimate, low, high),
            forgotten_variance=noise**2,
        )


def matched(strata: Ints, unseen_strata: Ints) -> NDArray[np.bool_]:
    """`[n]`: whether a forgotten sample's stratum has the two unseen samples it takes."""
    kinds, counts = np.unique(unseen_strata, return_counts=True)
    return np.isin(strata, kinds[counts >= 2])


def placements(
    signal: Floats, strata: Ints, unseen_signal: Floats, unseen_strata: Ints
) -> Placements:
    """Compare signals `[n]` and `[m]`, higher for members, within strata.

    Population attack (Yeom et al., arXiv 1709.01604) in the form of DeLong et al., Biometrics 44
    (1988), one comparison per stratum. Forgotten samples that are not `matched`, and unseen ones
    of other strata, are left out; with none left, or NaN among the signals, a `ValueError`.
    """
    kept = matched(strata, unseen_strata)
    if not kept.any():
        raise ValueError("no forgotten sample has two unseen ones of its stratum")
    if np.isnan(signal).any() or np.isnan(unseen_signal).any():
        raise ValueError("a signal that is not a number cannot be ranked")
    signal, strata = signal[kept], strata[kept]
    used = np.isin(unseen_strata, strata)
    unseen_signal, unseen_strata = unseen_signal[used], unseen_strata[used]
    above, below = np.empty(len(signal)), np.empty(len(unseen_signal))
    weights: dict[int, float] = {}
    for kind in np.unique(strata):
        ours, theirs = strata == kind, unseen_strata == kind
        wins = 0.5 + 0.5 * np.sign(signal[ours][:, None] - unseen_signal[theirs][None, :])
        above[ours], below[theirs] = wins.mean(axis=1), wins.mean(axis=0)
        weights[int(kind)] = float(ours.mean())
    return Placements(above, below, unseen_strata, weights)


def middling(
    signal: Floats, strata: Ints, unseen_signal: Floats, unseen_strata: Ints
) -> tuple[Floats, Floats]:
    """How near the middle of its stratum each signal lies, both sides ranked together, `[n]` `[m]`.

    As a signal itself it finds what one threshold cannot: a loss that is right in the mean and much
    too even, or half far too high and half untouched (Ansari and Bradley, Annals of Mathematical
    Statistics 31, 1960). Where both sides are exchangeable its AUC is 0.5, ties included.
    """
    ours, theirs = np.zeros(len(signal)), np.zeros(len(unseen_signal))
    for kind in np.unique(strata):
        here, there = strata == kind, unseen_strata == kind
        ranks = mid_ranks(np.concatenate([signal[here], unseen_signal[there]]))
        near = -np.abs(ranks - ranks.mean())
        ours[here], theirs[there] = near[: here.sum()], near[here.sum() :]
    return ours, theirs


def mid_ranks(values: Floats) -> Floats:
    """`[N]`: places 1..N in ascending order, the mean place where values are tied."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def average(several: Sequence[Placements]) -> Placements:
    """The mean placements of the same samples under several networks."""
    return Placements(
        np.mean([one.forgotten for one in several], axis=0),
        np.mean([one.unseen for one in several], axis=0),
        several[0].unseen_strata,
        several[0].weights,
    )


def less(placed: Placements, other: Placements) -> Placements:
    """By how much the placements of the same samples exceed others."""
    return replace(
        placed,
        forgotten=placed.forgotten - other.forgotten,
        unseen=placed.unseen - other.unseen,
    )


def separation(placed: Placements, *, confidence: float = CONFIDENCE) -> Separation:
    """The AUC over strata, each weighted by its forgotten samples, with DeLong's interval.

    The variance is never taken below that of chance, (1/n + 1/m)/12: where every sample is tied,
    or none is, DeLong's estimate is zero and would call three samples a certainty.
    """
    forgotten, unseen = _variances(placed)
    chance = 1 / 12
    return _separation(
        placed,
        max(forgotten, chance / len(placed.forgotten)),
        max(unseen, chance * _effective_share(placed)),
        confidence=confidence,
    )


def difference(
    placed: Placements, yardstick: Placements, *, confidence: float = CONFIDENCE
) -> Separation:
    """By how much the AUC exceeds that of a yardstick on the same samples (paired DeLong).

    The standard error is never taken below half a sample, 1/(2n), the finest step of either AUC.
    """
    change = less(placed, yardstick)
    forgotten, unseen = _variances(change)
    finest = (0.5 / len(change.forgotten)) ** 2
    return _separation(change, max(forgotten, finest), unseen, confidence=confidence)


def calibrated(losses: Floats, reference_losses: Floats) -> Floats:
    """`[N]`: how much surer the network is of a sample than references that never saw it, `[R, N]`.

    Offline LiRA with one variance for all samples (Carlini et al., arXiv 2112.03570, section 6): a
    per-sample variance makes the attack worse than none below four references.
    """
    return logit_confidence(losses) - logit_confidence(reference_losses).mean(axis=0)


def logit_confidence(losses: Floats) -> Floats:
    """log(p / (1 - p)) for p = exp(-loss); losses below 1e-7 are beyond float32 and count as that.

    Carlini et al., arXiv 2112.03570, equation 5: nearly normal for each sample over networks.
    """
    held = np.maximum(losses, 1e-7)
    return -held - np.log(-np.expm1(-held))


def _separation(
    placed: Placements, forgotten: float, unseen: float, *, confidence: float
) -> Separation:
    count = len(placed.forgotten)
    interval = around(
        float(placed.forgotten.mean()),
        (forgotten + unseen) ** 0.5,
        max(count - 1, 1),
        confidence=confidence,
    )
    return Separation(interval, count, len(placed.unseen), forgotten, unseen)


def _variances(placed: Placements) -> tuple[float, float]:
    """What the choice of forgotten and of unseen samples adds to the variance of the mean."""
    count = len(placed.forgotten)
    forgotten = float(placed.forgotten.var(ddof=1)) / count if count > 1 else 0.25
    return forgotten, unseen_variance(placed)


def unseen_variance(placed: Placements) -> float:
    """What the choice of unseen samples alone adds to the variance of the mean."""
    total = 0.0
    for kind, weight in placed.weights.items():
        theirs = placed.unseen[placed.unseen_strata == kind]
        total += weight**2 * float(theirs.var(ddof=1)) / len(theirs)
    return total


def _effective_share(placed: Placements) -> float:
    """Σ w²/m over strata: 1/m where the strata of both sides have the same shares."""
    sizes = {kind: int((placed.unseen_strata == kind).sum()) for kind in placed.weights}
    return sum(weight**2 / sizes[kind] for kind, weight in placed.weights.items())
