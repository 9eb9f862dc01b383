"""How far attacks tell people apart whom no network saw: what a leak has to be larger than.

Two trainings of the same recipe differ on one person by far more than by chance of samples, for a
person's samples stand and fall together. An interval that takes samples one by one does not see
that: beside references it condemns exact retrains of few people. Held-out people show how large it
is. Each network that never saw them is attacked as if it had been asked to forget one of them, with
the others for a yardstick; nothing can leak, so all that is found is what chance finds.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.auditing.attacks import Ints, logit_confidence
from models.auditing.evidence import Attack
from models.auditing.intervals import Floats
from models.auditing.signals import Signals

DRAWS = 1000


@dataclass(frozen=True)
class Chance:
    """The standard deviation of a leak where there is none, and what it seldom exceeds."""

    noise: float
    bound: float


def chance(found: Floats, people: Sequence[str], *, certain: float) -> Chance:
    """What is found on forgotten people of whom nothing leaks, each weighing by his samples.

    `found`: the leaks of one held-out person each; people are independent of each other. The bound
    is that of people drawn from these, for a few odd ones have much longer tails than a normal law.
    No noise, where nobody could be tried.
    """
    if len(found) == 0:
        return Chance(0.0, 0.0)
    shares = np.array(list(Counter(people).values())) / len(people)
    drawn = np.random.default_rng(0).choice(found, size=(DRAWS, len(shares)))
    return Chance(
        noise=float(np.sqrt((shares**2).sum() * np.mean(np.square(found)))),
        bound=float(np.quantile(np.abs(drawn @ shares), certain)),
    )


def found_by_chance(networks: Sequence[Signals], people: Sequence[str]) -> dict[Attack, Floats]:
    """What each attack finds, `[K·P]`: on every held-out person, by every network.

    `networks`: K times what one said of the validation set, `[V]`, whose samples belong to
    `people`. With one network leaks are counted from 0.5, else from the others' mean, as in an
    audit. People whose samples cannot be compared within a stratum are left out.
    """
    strata, owner = networks[0].strata, np.unique(people, return_inverse=True)[1]
    sure = np.stack([logit_confidence(one.losses) for one in networks])
    loss = np.stack([places(-one.losses, strata, owner) for one in networks])
    even = np.stack([places(near_middle(one.losses, strata), strata, owner) for one in networks])
    if len(networks) == 1:
        return {Attack.LOSS: known(loss - 0.5), Attack.SPREAD: known(even - 0.5)}
    beyond = np.stack([places(one, strata, owner) for one in sure - mean_of_others(sure)])
    return {
        Attack.LOSS: known(loss - mean_of_others(loss)),
        Attack.SPREAD: known(even - mean_of_others(even)),
        Attack.CALIBRATED: known(beyond - 0.5),
    }


def places(signal: Floats, strata: Ints, owner: Ints) -> Floats:
    """`[P]`: the AUC of each person's samples against everybody else's of their strata, `[V]`.

    NaN for a person none of whose samples has two others of its stratum to be compared with.
    """
    mine = strata * (owner.max() + 1) + owner
    above = ranks_within(signal, strata) - ranks_within(signal, mine)
    others = sizes(strata) - sizes(mine)
    matched = others >= 2
    total = np.bincount(owner, np.where(matched, above / np.maximum(others, 1), 0))
    count = np.bincount(owner, matched)
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def near_middle(losses: Floats, strata: Ints) -> Floats:
    """How near the middle of its stratum each loss lies, `[V]`: `attacks.middling` of one set."""
    return -np.abs(ranks_within(losses, strata) - (sizes(strata) + 1) / 2)


def ranks_within(values: Floats, groups: Ints) -> Floats:
    """`[V]`: places 1, 2, … in ascending order within each group, the mean place where tied."""
    order = np.lexsort((values, groups))
    starts = np.flatnonzero(np.diff(groups[order], prepend=groups[order][0] - 1))
    changed = np.diff(values[order], prepend=np.nan) != 0
    changed[starts] = True
    run = np.cumsum(changed) - 1
    first, length = np.flatnonzero(changed), np.bincount(run)
    begins = np.repeat(starts, np.diff(starts, append=len(order)))
    ranks = np.empty(len(values))
    ranks[order] = (first + (length + 1) / 2)[run] - begins
    return ranks


def sizes(groups: Ints) -> Ints:
    """`[V]`: how many samples the group of each has."""
    _, group, counts = np.unique(groups, return_inverse=True, return_counts=True)
    return counts[group]


def mean_of_others(values: Floats) -> Floats:
    """`[K, ...]`: for each of K networks the mean of all the others, K >= 2."""
    return (values.sum(axis=0) - values) / (len(values) - 1)


def known(leaks: Floats) -> Floats:
    """Those that are numbers, in a row."""
    return leaks[~np.isnan(leaks)]
