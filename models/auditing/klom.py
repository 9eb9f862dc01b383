"""KLoM: how far a method's networks lie from retrains, sample by sample, beside retrains' own."""

from dataclasses import dataclass

import numpy as np

from models.auditing.intervals import Floats

BINS = 20
CLIP = 100.0
FLOOR = 1e-5


@dataclass(frozen=True)
class Klom:
    """The mean over samples, and the same for two sets of retrains.

    Of two samples of one Gaussian it is 0.34 with 100 networks a side and 6.5 with 8, so only what
    lies above the null means anything.
    """

    mean: float
    null_mean: float

    @property
    def above_null(self) -> float:
        return self.mean - self.null_mean


def summary(unlearned: Floats, retrained: Floats, others: Floats) -> Klom:
    """Of margins `[N, S]` under unlearned networks, under retrains, and under as many more."""
    found, null = klom(unlearned, retrained), klom(others, retrained)
    return Klom(float(found.mean()), float(null.mean()))


def klom(unlearned: Floats, retrained: Floats) -> Floats:
    """`[S]`: KL(unlearned ‖ retrained) of each sample's margin over networks, `[N, S]` each.

    Attribute-to-Delete (arXiv 2410.23232): margins clipped to ±100, 20 equal bins over both sides,
    shares no lower than 1e-5. The direction is the one of the paper; public code has the other.
    """
    pairs = zip(unlearned.T, retrained.T, strict=True)
    return np.array([_divergence(one, other) for one, other in pairs])


def _divergence(one: Floats, other: Floats) -> float:
    one, other = np.clip(one, -CLIP, CLIP), np.clip(other, -CLIP, CLIP)
    low, high = min(one.min(), other.min()), max(one.max(), other.max())
    if low == high:
        return 0.0
    shares = (np.histogram(side, BINS, (low, high))[0] / len(side) for side in (one, other))
    p, q = (np.maximum(share, FLOOR) for share in shares)
    return float((p * np.log(p / q)).sum())
