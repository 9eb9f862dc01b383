"""Intervals for what an audit counts and averages: a rate, a mean, a change, an AUC.

numpy and scipy.special only: verdicts are read where torch is not installed.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

# Two-sided 90 %: an interval inside ±margin is then an equivalence test at 5 % on either side.
CONFIDENCE = 0.90
# At which a leak is called one: several attacks are tried, and odd people must condemn no retrain.
CERTAIN = 0.99


@dataclass(frozen=True)
class Interval:
    """An estimate and the values that the data do not speak against."""

    estimate: float
    low: float
    high: float

    def shifted(self, by: float) -> "Interval":
        """The same interval on a scale whose zero lies elsewhere."""
        return Interval(self.estimate + by, self.low + by, self.high + by)


def clopper_pearson(hits: int, count: int, *, confidence: float = CONFIDENCE) -> Interval:
    """A rate, with at least the stated coverage at every true rate.

    C. Clopper and E. Pearson, Biometrika 26 (1934): the ends are beta quantiles.
    """
    if not 0 <= hits <= count or count == 0:
        raise ValueError(f"{hits} of {count} is not a rate")
    tail = (1 - confidence) / 2
    misses = count - hits
    low = float(special.betaincinv(hits, misses + 1, tail)) if hits else 0.0
    high = float(special.betaincinv(hits + 1, misses, 1 - tail)) if misses else 1.0
    return Interval(hits / count, low, high)


def mean_interval(values: Floats, *, confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of the mean of `[N]`, N >= 2."""
    if len(values) < 2:
        raise ValueError("an interval of a mean needs two values at least")
    spread = float(values.std(ddof=1)) / len(values) ** 0.5
    return around(float(values.mean()), spread, len(values) - 1, confidence=confidence)


def change_interval(differences: Floats, *, confidence: float = CONFIDENCE) -> Interval:
    """The mean of paired differences in [-1, 1], `[N]`; never of zero width.

    Agresti and Min, Statistics in Medicine 24 (2005): half a pseudo-pair in each cell of the table
    of two paired scores, that is, one difference of +1 and one of -1 at half weight each. Without
    them three pairs that agree would be taken for certainty.
    """
    if len(differences) == 0:
        raise ValueError("there is nothing to compare")
    count = len(differences) + 2
    centre = float(differences.sum()) / count
    variance = (float((differences**2).sum()) + 1) / count - centre**2
    half = z_of(confidence) * (variance / count) ** 0.5
    estimate = float(differences.mean())
    return Interval(estimate, min(centre - half, estimate), max(centre + half, estimate))


def around(
    estimate: float, standard_error: float, freedom: int, *, confidence: float = CONFIDENCE
) -> Interval:
    """A symmetric interval by Student's t with so many degrees of freedom."""
    half = standard_error * float(special.stdtrit(freedom, (1 + confidence) / 2))
    return Interval(estimate, estimate - half, estimate + half)


def z_of(confidence: float) -> float:
    """How many standard errors a two-sided normal interval reaches."""
    return NormalDist().inv_cdf((1 + confidence) / 2)
