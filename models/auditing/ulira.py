"""U-LiRA: can a network that unlearned a sample be told from one that never saw it?"""

from dataclasses import dataclass

import numpy as np

from models.auditing.intervals import Floats

PRIOR_FREEDOM = 4.0  # by so many networks the variance of all samples is believed


@dataclass(frozen=True)
class Ulira:
    """The mean AUC over samples, and the same for retrains against retrains: one half but for luck.

    Networks are few and all samples share them, so no interval over samples is given.
    """

    auc: float
    null: float

    @property
    def above_null(self) -> float:
        return self.auc - self.null


def summary(unlearned: Floats, retrained: Floats, others: Floats) -> Ulira:
    """Of scaled confidences `[N, S]` under unlearned networks, retrains, and as many more."""
    return Ulira(float(aucs(unlearned, retrained).mean()), float(aucs(others, retrained).mean()))


def aucs(one: Floats, other: Floats) -> Floats:
    """`[S]`: for each sample, how well the two kinds of networks are told apart, `[N, S]` each.

    Hayes et al., arXiv 2403.01218: one Gaussian per world, the likelihood ratio as the score. Every
    pair of networks is judged by Gaussians fitted to the others (leave-pair-out, Airola et al.,
    Computational Statistics and Data Analysis 55, 2011): leaving out one at a time pushes the AUC
    of nothing far below one half. Both worlds are of one forget set, where the paper draws many.
    """
    wins = np.zeros(one.shape[1])
    for i, ours in enumerate(one):
        for j, theirs in enumerate(other):
            worlds = np.delete(one, i, axis=0), np.delete(other, j, axis=0)
            first, second = (
                likelihood(values, worlds[0]) - likelihood(values, worlds[1])
                for values in (ours, theirs)
            )
            wins += 0.5 + 0.5 * np.sign(first - second)
    return np.asarray(wins / (len(one) * len(other)))


def likelihood(values: Floats, world: Floats) -> Floats:
    """`[S]`: the log density under each sample's Gaussian over networks `[N, S]`.

    Variances are drawn towards that of all samples, as in `reference_attacks.lira`.
    """
    mean, squares = world.mean(axis=0), ((world - world.mean(axis=0)) ** 2).sum(axis=0)
    freedom = len(world) - 1
    shared = squares.sum() / (freedom * world.shape[1])
    variance = np.maximum((PRIOR_FREEDOM * shared + squares) / (PRIOR_FREEDOM + freedom), 1e-12)
    return np.asarray(-0.5 * ((values - mean) ** 2 / variance + np.log(variance)))
