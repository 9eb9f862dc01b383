"""What a network is still good for: score and loss on a set and on each stratum, and the change."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.auditing.attacks import Ints
from models.auditing.intervals import (
    CONFIDENCE,
    Floats,
    Interval,
    change_interval,
    clopper_pearson,
    mean_interval,
)


@dataclass(frozen=True)
class Utility:
    """How well the samples of one set, or of one stratum of it, are served."""

    samples: int
    score: Interval
    loss: Interval


@dataclass(frozen=True)
class StratumDrop:
    """By how much one stratum's mean score fell."""

    stratum: int
    samples: int
    drop: Interval


def utility(scores: Floats, losses: Floats, *, confidence: float = CONFIDENCE) -> Utility:
    """Mean score and mean loss of `[N]`, N >= 2, with their intervals."""
    return Utility(
        len(scores),
        score_interval(scores, confidence=confidence),
        mean_interval(losses, confidence=confidence),
    )


def by_stratum(
    scores: Floats, losses: Floats, strata: Ints, *, confidence: float = CONFIDENCE
) -> dict[int, Utility]:
    """The same per stratum; strata of fewer than two samples have no interval and are left out."""
    kinds, counts = np.unique(strata, return_counts=True)
    return {
        int(kind): utility(scores[strata == kind], losses[strata == kind], confidence=confidence)
        for kind in kinds[counts >= 2]
    }


def by_group(
    scores: Floats, losses: Floats, groups: Sequence[str], *, confidence: float = CONFIDENCE
) -> dict[str, Utility]:
    """The same per subgroup of people, by name."""
    names, codes = np.unique(groups, return_inverse=True)
    found = by_stratum(scores, losses, codes, confidence=confidence)
    return {str(names[code]): part for code, part in found.items()}


def score_interval(scores: Floats, *, confidence: float = CONFIDENCE) -> Interval:
    """Clopper-Pearson where scores are right or wrong, Student's t where they are graded."""
    if np.isin(scores, (0.0, 1.0)).all():
        return clopper_pearson(int(scores.sum()), len(scores), confidence=confidence)
    return mean_interval(scores, confidence=confidence)


def drop(scores: Floats, yardstick: Floats, *, confidence: float = CONFIDENCE) -> Interval:
    """By how much the mean score of the same `[N]` samples lies below the yardstick's."""
    return change_interval(yardstick - scores, confidence=confidence)


def worst_strata(
    scores: Floats,
    yardstick: Floats,
    strata: Ints,
    *,
    most: int,
    confidence: float = CONFIDENCE,
) -> list[StratumDrop]:
    """The strata whose score fell most, worst first, at most so many.

    The worst is picked after looking, so the intervals hold for all strata at once (Bonferroni).
    """
    kinds = np.unique(strata)
    each = 1 - (1 - confidence) / max(len(kinds), 1)
    drops = [
        StratumDrop(
            int(kind),
            int((strata == kind).sum()),
            drop(scores[strata == kind], yardstick[strata == kind], confidence=each),
        )
        for kind in kinds
    ]
    return sorted(drops, key=lambda one: -one.drop.estimate)[:most]
