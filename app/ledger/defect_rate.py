"""How often published versions may be defective, from how many of a random sample were."""

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, lgamma, log

CONFIDENCE = 0.95  # of either end by itself


@dataclass(frozen=True)
class Rate:
    """A share, and the ends that it is beyond with a chance of one in twenty each."""

    estimate: float
    low: float
    high: float


def defect_rate(defects: int, count: int) -> Rate | None:
    """With exact ends (C. Clopper and E. Pearson, Biometrika 26, 1934); None of nothing.

    No defect among 59 means below 5 % at 95 % confidence.
    """
    if count == 0:
        return None
    tail = 1 - CONFIDENCE
    low = where(lambda p: 1 - up_to(defects - 1, count, p) >= tail) if defects else 0.0
    high = where(lambda p: up_to(defects, count, p) <= tail) if defects < count else 1.0
    return Rate(defects / count, low, high)


def up_to(hits: int, count: int, share: float) -> float:
    """The binomial chance of so many hits or fewer, 0 < share < 1."""
    return sum(
        exp(
            lgamma(count + 1)
            - lgamma(each + 1)
            - lgamma(count - each + 1)
            + each * log(share)
            + (count - each) * log(1 - share)
        )
        for each in range(hits + 1)
    )


def where(holds: Callable[[float], bool]) -> float:
    """The share from which on it holds, to twelve digits."""
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
