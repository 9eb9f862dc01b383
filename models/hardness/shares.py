"""How much of the training set, and of each of its strata, a forget set takes away."""

import torch
from torch import Tensor

from models.auditing.measuring import kept_share, matched_share
from models.data import Split
from models.hardness.record import Shares


def shares(split: Split) -> Shares:
    """Count what the split forgets; `ValueError` where it forgets nothing."""
    if len(split.forget) == 0:
        raise ValueError("the forget set is empty")
    gone, kept = counts(split.forget.strata), counts(split.retain.strata)
    return Shares(
        count=len(split.forget),
        total=len(split.forget) / (len(split.forget) + len(split.retain)),
        strata={str(s): n / (n + kept.get(s, 0)) for s, n in gone.items()},
        left={str(s): kept.get(s, 0) for s in gone},
        comparable=min(matched_share(split), kept_share(split)),
    )


def vanishing(counted: Shares) -> list[str]:
    """The strata of which nothing would be left."""
    return [stratum for stratum, left in counted.left.items() if left == 0]


def counts(strata: Tensor) -> dict[int, int]:
    """How many samples lie in each stratum."""
    values, sizes = torch.unique(strata, return_counts=True)
    return dict(zip(values.tolist(), sizes.tolist(), strict=True))
