"""Draws synthetic forget sets from a training set: of a size, memorized or not, skewed or not."""

import torch
from torch import Tensor

from models.data import Samples, Split
from models.references import numbered

FEWEST = 4  # samples; an audit needs a few
MEMORIZED_PART = 0.1  # of the samples, the most memorized, from which a high set is drawn
MOST_OF_STRATUM = 0.5  # a skewed set leaves at least so much of its stratum


def drawn(
    samples: Samples, scores: Tensor, *, share: float, high: bool, skewed: bool, seed: int
) -> Tensor:
    """Places of the samples to be forgotten, int64 `[F]`, ascending; the seed decides which.

    `scores`: of every sample, higher is more memorized, `[N]`. `share`: of the training set; the
    last person drawn may make it a little more. People go with all that is theirs, as they do when
    they ask. A `skewed` set is of samples, all from the largest stratum, for people seldom are of
    one. `high`: among the most memorized people, or samples there.
    """
    pool = torch.arange(len(samples))
    owner = numbered(samples.owners)
    if skewed:
        pool = (samples.strata == samples.strata.mode().values).nonzero().flatten()
        owner = torch.arange(len(pool))
    sizes = owner.bincount()
    wanted = max(FEWEST, round(share * len(samples)))
    wanted = min(wanted, max(FEWEST, int(MOST_OF_STRATUM * len(pool))))
    order = torch.arange(len(sizes))
    if high:
        known = scores[pool].nan_to_num(-torch.inf)
        order = (known.new_zeros(len(sizes)).index_add(0, owner, known) / sizes).argsort(
            descending=True
        )
        order = first(order, sizes, max(wanted, int(MEMORIZED_PART * len(pool))))
    shuffled = torch.randperm(len(order), generator=torch.Generator().manual_seed(seed))
    return pool[torch.isin(owner, first(order[shuffled], sizes, wanted))]


def first(order: Tensor, sizes: Tensor, wanted: int) -> Tensor:
    """As many of the first owners, int64 `[P]`, as together have so many samples, or all."""
    return order[: int((sizes[order].cumsum(0) < wanted).sum()) + 1]


def split_at(samples: Samples, rows: Tensor, validation: Samples) -> Split:
    """The split that forgets the samples at these places; `ValueError` where none would be kept."""
    gone = torch.zeros(len(samples), dtype=torch.bool)
    gone[rows] = True
    if bool(gone.all()):
        raise ValueError(f"{len(samples)} samples are too few to draw a forget set from")
    return Split(samples.take(rows), samples.take(~gone), validation)
