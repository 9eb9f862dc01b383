"""Draws synthetic forget sets from a training set: of a size, memorized or not, skewed or not."""

import torch
from torch import Tensor

from models.data import Samples, Split

FEWEST = 4  # samples; an audit needs a few
MEMORIZED_PART = 0.1  # of the samples, the most memorized, from which a high set is drawn
MOST_OF_STRATUM = 0.5  # a skewed set leaves at least so much of its stratum


def drawn(
    samples: Samples, scores: Tensor, *, share: float, high: bool, skewed: bool, seed: int
) -> Tensor:
    """Places of the samples to be forgotten, int64 `[F]`, ascending; the seed decides which.

    `scores`: of every sample, higher is more memorized, `[N]`. `share`: of the training set;
    `skewed`: all from the largest stratum; `high`: among the most memorized there.
    """
    wanted = max(FEWEST, round(share * len(samples)))
    pool = torch.arange(len(samples))
    if skewed:
        pool = (samples.strata == samples.strata.mode().values).nonzero().flatten()
    wanted = min(wanted, max(FEWEST, int(MOST_OF_STRATUM * len(pool))))
    if high:
        most = max(wanted, int(MEMORIZED_PART * len(pool)))
        pool = pool[scores[pool].nan_to_num(-torch.inf).argsort(descending=True)[:most]]
    chosen = torch.randperm(len(pool), generator=torch.Generator().manual_seed(seed))[:wanted]
    return pool[chosen].sort().values


def split_at(samples: Samples, rows: Tensor, validation: Samples) -> Split:
    """The split that forgets the samples at these places; `ValueError` where none would be kept."""
    gone = torch.zeros(len(samples), dtype=torch.bool)
    gone[rows] = True
    if bool(gone.all()):
        raise ValueError(f"{len(samples)} samples are too few to draw a forget set from")
    return Split(samples.take(rows), samples.take(~gone), validation)
