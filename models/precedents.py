"""What earlier unlearnings tell of the next: as much as they were of its size; pure.

One precedent counts by the smaller share of the training set over the larger: wholly where it
forgot as much, half where it forgot twice or half as much. What a small forget set costs, and
whether an audit passes it, says little of a large one (decision 22).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean


@dataclass(frozen=True)
class Precedent:
    """An unlearning that came to its end, in a job or in a calibration's trial.

    `share`: of the training set, that was forgotten. `escalated`: whether its audit did not pass
    it. `unlearn`: its time as a share of a retrain's; None where it was not timed.
    """

    share: float
    escalated: bool
    unlearn: float | None = None


def likeness(share: float, other: float) -> float:
    """How much a forget set of one share tells of one of another, 0..1."""
    return min(share, other) / max(share, other)


def timed(precedents: Sequence[Precedent]) -> list[tuple[float, float]]:
    """What unlearning took, as far as anybody knows, and for which share of the training set."""
    return [(one.unlearn, one.share) for one in precedents if one.unlearn is not None]


def unlearn_share(precedents: Sequence[Precedent], share: float) -> float | None:
    """Of a retrain's time, for forgetting this share of the training set; None if nobody knows."""
    if not (known := timed(precedents)):
        return None
    return fmean([unlearn for unlearn, _ in known], [likeness(of, share) for _, of in known])


def expected_escalation(precedents: Sequence[Precedent], share: float) -> float:
    """The probability that the next audit escalates, by Laplace's rule of succession.

    One half before the first, which is the cautious start; the history takes over from there.
    """
    weights = [(likeness(one.share, share), one.escalated) for one in precedents]
    against = sum(weight for weight, escalated in weights if escalated)
    return (against + 1) / (sum(weight for weight, _ in weights) + 2)
