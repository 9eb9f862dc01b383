"""Tests that rest on recorded coins: valid for one network, whatever its scores look like.

Pure functions of one score per subject. Under the null, whoever was trained on and unlearned looks
like whoever was never trained on, so that any other fall of the coins would have been as likely.
"""

from itertools import combinations
from math import comb

import numpy as np

from models.auditing.attacks import mid_ranks
from models.auditing.intervals import Floats

ALL = 20_000  # assignments that are gone through one by one; of more, some are drawn
DRAWS = 9_999


def randomisation(riders: Floats, never_seen: Floats, *, seed: int) -> float:
    """The two-sided p-value of the coins, `[r]` and `[o]` scores, r and o at least 1.

    The statistic is how far the riders' mean rank lies from the middle. Exact where all assignments
    can be gone through (Fisher 1935; Pitman 1937); else over drawn ones, the observed one counted
    in, which keeps the level (Phipson and Smyth, arXiv 1603.05766). `ValueError` for NaN.
    """
    together = np.concatenate([riders, never_seen])
    if np.isnan(together).any():
        raise ValueError("a score that is not a number cannot be ranked")
    distance = mid_ranks(together) - (len(together) + 1) / 2
    count, observed = len(riders), abs(float(distance[: len(riders)].sum()))
    if comb(len(together), count) <= ALL:
        chosen = np.array(list(combinations(range(len(together)), count)))
        return float((np.abs(distance[chosen].sum(axis=1)) >= observed - 1e-9).mean())
    chance = np.random.default_rng(seed)
    drawn = np.abs(chance.permuted(np.tile(distance, (DRAWS, 1)), axis=1)[:, :count].sum(axis=1))
    return float(((drawn >= observed - 1e-9).sum() + 1) / (DRAWS + 1))


def least_p(riders: int, never_seen: int) -> float:
    """The smallest p-value that so many canaries can give, where no two score alike."""
    return min(1.0, 2 / comb(riders + never_seen, riders))


def canaries_needed(level: float) -> int:
    """How many, evenly split, it takes for a p-value of this level."""
    half = 1
    while least_p(half, half) > level:
        half += 1
    return 2 * half


def e_value(p: float) -> float:
    """1 / (2 √p): of mean at most 1 under the null, however few values p can take.

    Vovk and Wang, E-values (Annals of Statistics 49, 2021; arXiv 1912.06116), κ = 1/2. Each job
    looks at coins that no job looked at before, so the product over jobs is a test martingale: it
    ever reaches 1/α with a chance of α at most (Ville 1939), whenever somebody stops to look.
    """
    if not 0 < p <= 1:
        raise ValueError(f"{p} is not a p-value")
    return 0.5 / p**0.5
