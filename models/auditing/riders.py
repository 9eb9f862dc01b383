"""Riders, canaries that were trained on and unlearned, against canaries that never were."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from models.auditing.attacks import Ints, logit_confidence, placements, separation
from models.auditing.canary_report import CanaryReport, Outcome
from models.auditing.coin_test import canaries_needed, e_value, least_p, randomisation
from models.auditing.intervals import CONFIDENCE, Floats, Interval
from models.auditing.power import detectable_gap, leaking_share
from models.auditing.rates import rates
from models.auditing.signals import Signals
from models.data import Samples


class Side(StrEnum):
    """What a canary is to one audit."""

    RIDES = "rides"  # its coin fell in, and this job had to forget it
    OUT = "out"  # its coin fell out, and nobody looked before
    BYSTANDER = "bystander"  # out as well, but looked at by another job, or by none yet


@dataclass(frozen=True)
class Canaries:
    """The canaries of one audit.

    `samples`: all of theirs; `owners` `[N]`: whose each is, a place in `sides`. `untested`: why
    there are none, in words.
    """

    samples: Samples | None
    owners: Ints
    sides: tuple[Side, ...]
    untested: str = ""

    @property
    def strata(self) -> Ints:
        """`[N]`: of each sample."""
        assert self.samples is not None
        return self.samples.strata.numpy()


def canary_scores(losses: Floats, canaries: Canaries, unseen: Signals) -> Floats:
    """`[S]`: how sure a network is of each canary's samples, beyond unseen ones of their strata.

    The mean over its samples (`losses`, `[N]`) of the scaled confidence, less the mean of `unseen`
    samples of the same stratum, or of all where it has none. No coin enters, so that the scores of
    canaries in and out can change places.
    """
    densities = bool((losses < 0).any() or (unseen.losses < 0).any())
    known, strata = sureness(unseen.losses, densities=densities), canaries.strata
    level = np.full(len(losses), known.mean())
    for stratum in np.unique(unseen.strata):
        level[strata == stratum] = known[unseen.strata == stratum].mean()
    beyond = sureness(losses, densities=densities) - level
    return np.bincount(canaries.owners, weights=beyond) / np.bincount(canaries.owners)


def sureness(losses: Floats, *, densities: bool) -> Floats:
    """Higher for members: the scaled confidence, or the negated loss where losses are densities."""
    return -losses if densities else logit_confidence(losses)


def canary_report(
    before: Floats,
    after: Floats,
    sides: Sequence[Side],
    *,
    level: float,
    seed: int,
    confidence: float = CONFIDENCE,
) -> CanaryReport:
    """Test the coins on the new network, by its scores of all canaries, `[S]`, and the parent's."""
    side = np.array(sides)
    riders, out = side == Side.RIDES, side == Side.OUT
    count, others = int(riders.sum()), int(out.sum())
    found = list(rates(after[riders], after[side != Side.RIDES], seed=seed, confidence=confidence))
    if why := too_few(count, others, level=level) or constant(after[riders | out]):
        return CanaryReport(Outcome.INCONCLUSIVE, why, count, others, level, rates=tuple(found))
    p = randomisation(after[riders], after[out], seed=seed)
    gap = detectable_gap(count, others, level=level)
    return CanaryReport(
        Outcome.TOLD_APART if p <= level else Outcome.ALIKE,
        "",
        count,
        others,
        level,
        p_value=p,
        e_value=e_value(p),
        before=auc(before[riders], before[out], confidence),
        after=auc(after[riders], after[out], confidence),
        detectable_auc=gap if gap <= 0.5 else None,
        detectable_share=leaking_share(gap),
        rates=tuple(found),
    )


def too_few(riders: int, never_seen: int, *, level: float) -> str:
    """Why so many cannot tell, or nothing."""
    if riders and never_seen and least_p(riders, never_seen) <= level:
        return ""
    return (
        f"{riders} riders and {never_seen} canaries that were never seen are too few for a p-value "
        f"of {level:g}; it takes {canaries_needed(level)}, evenly split"
    )


def constant(scores: Floats) -> str:
    """Why equal scores cannot tell, or nothing."""
    return "the network scores all canaries alike" if np.ptp(scores) == 0 else ""


def auc(riders: Floats, never_seen: Floats, confidence: float) -> Interval:
    """P(a rider looks more like a member than somebody who was never seen)."""
    one, other = (np.zeros(len(scores), dtype=np.int64) for scores in (riders, never_seen))
    placed = placements(riders, one, never_seen, other)
    found = separation(placed, confidence=confidence).interval
    return Interval(found.estimate, max(0.0, found.low), min(1.0, found.high))
