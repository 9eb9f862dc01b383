"""ROC curves where they matter, at few false alarms: what a report draws on log axes."""

from dataclasses import dataclass

import numpy as np

from models.auditing.intervals import CONFIDENCE, Floats, Interval, clopper_pearson

POINTS = 13


@dataclass(frozen=True)
class Point:
    """The share of forgotten samples that are found at a share of false alarms."""

    false: float
    found: Interval


@dataclass(frozen=True)
class Roc:
    """One network's curve for the loss attack, from few false alarms to all."""

    network: str
    points: list[Point]


def roc(
    members: Floats, unseen: Floats, *, points: int = POINTS, confidence: float = CONFIDENCE
) -> list[Point]:
    """At false alarms evenly spaced on a log scale, from one in so many as are unseen up to all.

    Scores `[n]` and `[m]`, higher for members; ties count as found on neither side. The threshold
    is set on the samples it is judged by, so the curve shows and does not prove; Clopper-Pearson.
    """
    alarms = np.unique(np.geomspace(1, len(unseen), points).round().astype(int))
    falling = np.append(np.sort(unseen)[::-1], -np.inf)
    found = [int((members > falling[count]).sum()) for count in alarms]
    return [
        Point(count / len(unseen), clopper_pearson(hits, len(members), confidence=confidence))
        for count, hits in zip(alarms.tolist(), found, strict=True)
    ]
