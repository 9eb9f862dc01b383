"""How many of those who were trained on an attack finds, at a rate of false alarms fixed before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.auditing.intervals import CONFIDENCE, Floats, Interval, clopper_pearson

FALSE_ALARMS = (0.2, 0.1, 0.05, 0.01, 0.001)
TAILS = {"remembered": 1.0, "pushed too far": -1.0}


@dataclass(frozen=True)
class Rate:
    """One operating point of an attack, each rate with its Clopper-Pearson interval.

    `aimed`: the rate of false alarms that the threshold was set for, on half of the unseen; `false`
    is what it was on the other half. `tail`: whether high scores were called members, or low ones.
    """

    tail: str
    aimed: float
    false: Interval
    found: Interval


def rates(
    members: Floats,
    unseen: Floats,
    *,
    seed: int,
    aims: Sequence[float] = FALSE_ALARMS,
    confidence: float = CONFIDENCE,
) -> list[Rate]:
    """Both tails at every aim that half of the unseen can show: none below one in so many.

    Scores `[n]` and `[m]`, higher for members. A threshold chosen and judged on the same samples
    would flatter itself, hence the halves.
    """
    order = np.random.default_rng(seed).permutation(len(unseen))
    choosing, judging = np.array_split(unseen[order], 2)
    if not len(judging) or not len(members):
        return []
    return [
        _rate(tail, aim, sign * members, sign * choosing, sign * judging, confidence)
        for tail, sign in TAILS.items()
        for aim in aims
        if aim * len(choosing) >= 1
    ]


def _rate(
    tail: str, aim: float, members: Floats, choosing: Floats, judging: Floats, confidence: float
) -> Rate:
    """Called a member: whoever scores above all but `aim` of those that set the threshold."""
    allowed = int(aim * len(choosing) + 1e-9)
    threshold = np.sort(choosing)[::-1][allowed - 1 : allowed + 1][-1]
    found, false = (int((scores > threshold).sum()) for scores in (members, judging))
    return Rate(
        tail,
        aim,
        clopper_pearson(false, len(judging), confidence=confidence),
        clopper_pearson(found, len(members), confidence=confidence),
    )
