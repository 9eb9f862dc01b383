"""Attacks that ask references which never saw a sample how sure one may be of it.

Pure functions; higher scores for members, and scores far below everybody's tell as much. None of
them decides a verdict: that the thresholds of `verdict.py` were not chosen for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.auditing.attacks import logit_confidence, mid_ranks
from models.auditing.intervals import Floats

UNTUNED = 0.3  # `a` where no reference saw any of the samples; Privacy Meter's default
CHOICES = np.linspace(0, 1, 11)
PRIOR_FREEDOM = 4.0  # with so many degrees of freedom the variance of all is believed


@dataclass(frozen=True)
class Witnesses:
    """What R references say of N samples: `losses` `[R, N]`, of which each never saw `left_out`.

    Every sample was left out by one of them at least.
    """

    losses: Floats
    left_out: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if not self.left_out.any(axis=0).all():
            raise ValueError("a sample that all references saw has no witness")

    @classmethod
    def of_unseen(cls, losses: Floats) -> "Witnesses":
        """Of samples that no reference saw, such as held-out ones."""
        return cls(losses, np.ones(losses.shape, dtype=np.bool_))

    def mean(self, values: Floats) -> Floats:
        """`[N]`: the mean of `values` `[R, N]` over the references that never saw the sample."""
        return np.where(self.left_out, values, 0).sum(axis=0) / self.left_out.sum(axis=0)


def rmia(
    losses: Floats,
    witnesses: Witnesses,
    population: Floats,
    of_population: Witnesses,
    *,
    a: float = UNTUNED,
    gamma: float = 1.0,
) -> Floats:
    """`[N]`: the share of unseen population samples whose ratio is smaller by γ.

    Offline RMIA (Zarifzadeh et al., ICML 2024, arXiv 2312.03262): a sample's ratio is its
    confidence over that of whoever never saw it, corrected towards whoever did:
    ((1 + a)·p_out + 1 - a)/2. Where all references are out a = 1 is no correction.
    """
    ours = np.exp(-losses) / corrected(witnesses, a)
    theirs = np.sort(np.exp(-population) / corrected(of_population, a))
    return np.searchsorted(theirs, ours / gamma, side="right") / len(theirs)


def corrected(witnesses: Witnesses, a: float) -> Floats:
    """`[N]`: the confidence to be expected, whether or not the sample was seen."""
    return ((1 + a) * witnesses.mean(np.exp(-witnesses.losses)) + 1 - a) / 2


def tuned_a(witnesses: Witnesses, of_population: Witnesses) -> float:
    """The `a` by which references are attacked best, each with the help of the others.

    What each of them saw is known, and the network under attack is not touched. `UNTUNED` where no
    reference has both samples that it saw and that it did not, with others to speak of them.
    """
    attacked = [one for one in range(len(witnesses.losses)) if attackable(witnesses, one)]
    if not attacked:
        return UNTUNED
    found = [
        np.mean([against(witnesses, of_population, one, float(a)) for one in attacked])
        for a in CHOICES
    ]
    return float(CHOICES[int(np.argmax(found))])


def attackable(witnesses: Witnesses, one: int) -> bool:
    known = spoken_for(witnesses, one)
    seen = ~witnesses.left_out[one] & known
    return bool(seen.any() and (witnesses.left_out[one] & known).any())


def spoken_for(witnesses: Witnesses, one: int) -> NDArray[np.bool_]:
    """`[N]`: whether another reference never saw the sample."""
    return np.asarray(np.delete(witnesses.left_out, one, axis=0).any(axis=0))


def against(witnesses: Witnesses, of_population: Witnesses, one: int, a: float) -> float:
    """The AUC of RMIA on one reference, with the others as references."""
    known = spoken_for(witnesses, one)
    others = Witnesses(
        np.delete(witnesses.losses, one, axis=0)[:, known],
        np.delete(witnesses.left_out, one, axis=0)[:, known],
    )
    theirs = Witnesses.of_unseen(np.delete(of_population.losses, one, axis=0))
    scores = rmia(witnesses.losses[one, known], others, of_population.losses[one], theirs, a=a)
    seen = ~witnesses.left_out[one, known]
    ranks = mid_ranks(scores)[seen]
    return float((ranks.mean() - (len(ranks) + 1) / 2) / (~seen).sum())


def lira(losses: Floats, witnesses: Witnesses, *, prior_freedom: float = PRIOR_FREEDOM) -> Floats:
    """`[N]`: how many standard deviations surer than references that never saw the sample.

    Offline LiRA (Carlini et al., arXiv 2112.03570). A variance of its own for each sample makes the
    attack worse than none below four references, so each is drawn towards that of all, as if by so
    many more observations (Smyth, Statistical Applications in Genetics 3, 2004, equation 1).
    """
    values = logit_confidence(witnesses.losses)
    mean = witnesses.mean(values)
    squares = np.where(witnesses.left_out, (values - mean) ** 2, 0).sum(axis=0)
    freedom = witnesses.left_out.sum(axis=0) - 1
    shared = squares.sum() / freedom.sum() if freedom.sum() else 1.0
    variance = (prior_freedom * shared + squares) / (prior_freedom + freedom)
    return (logit_confidence(losses) - mean) / np.sqrt(np.maximum(variance, 1e-12))


def degree(before: Floats, after: Floats, witnesses: Witnesses) -> Floats:
    """`[N]`: how much of what was remembered still is: 1 as before, 0 as unseen, below 0 pushed on.

    In the manner of IAM (Wang et al., arXiv 2506.06112): interpolated between the parent, which
    fits the sample, and references, which only generalise to it, in the scale of confidence. NaN
    where the parent was within one standard deviation of the references: nothing was remembered.
    """
    unseen = witnesses.mean(logit_confidence(witnesses.losses))
    fitted = logit_confidence(before) - unseen
    still = logit_confidence(after) - unseen
    owed = lira(before, witnesses) > 1
    return np.divide(still, fitted, out=np.full(len(still), np.nan), where=owed)


def beyond_all(losses: Floats, witnesses: Witnesses) -> NDArray[np.bool_]:
    """`[N]`: whether the network is surer than every reference that never saw the sample.

    Of R references one network in R + 1 is, by chance: a flag on a record, never a test of it.
    """
    highest = np.where(witnesses.left_out, -witnesses.losses, -np.inf).max(axis=0)
    return np.asarray(-losses > highest)
