"""Where forgotten samples lie for networks that never saw them: the band behind plots."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.auditing.intervals import CONFIDENCE, Floats
from models.auditing.signals import Said

LEVELS = 41  # evenly spaced quantiles, from which a plot is drawn
DRAWS = 200


@dataclass(frozen=True)
class Band:
    """Where the forgotten samples lie for whoever never saw them, at quantiles 0, 1/40, .. 1.

    Of several networks the least and the greatest; of one, the middle 90 % of what it says when its
    people are drawn anew.
    """

    networks: int
    least_losses: list[float]
    greatest_losses: list[float]
    least_confidences: list[float]
    greatest_confidences: list[float]


def band(yardsticks: Sequence[Said], owners: Sequence[str]) -> Band | None:
    """By the losses of the forgotten samples, which belong to `owners`; None where nobody told."""
    if not yardsticks:
        return None
    told = [said["forget"].losses for said in yardsticks]
    if len(told) == 1:
        tail, drawn = (1 - CONFIDENCE) / 2, drawn_anew(told[0], owners)
    else:
        tail, drawn = 0.0, np.stack([levels(losses) for losses in told])
    low, high = np.quantile(drawn, (tail, 1 - tail), axis=0)
    ends = (low, high, np.exp(-high[::-1]), np.exp(-low[::-1]))  # who loses most is least sure
    return Band(len(told), *map(rounded, ends))


def drawn_anew(losses: Floats, owners: Sequence[str]) -> Floats:
    """`[DRAWS, LEVELS]`: levels of as many people, drawn with replacement, each with all samples.

    Of a single person samples are drawn. Efron, Annals of Statistics 7 (1979).
    """
    names, owner = np.unique(owners, return_inverse=True)
    if len(names) == 1:
        owner = np.arange(len(losses))
    order, people = np.argsort(losses), owner.max() + 1
    owner, chance = owner[order], np.random.default_rng(0)
    drawn = np.empty((DRAWS, LEVELS))
    for row in drawn:
        times = np.bincount(chance.integers(people, size=people), minlength=people)
        reached = np.cumsum(times[owner])  # of all draws, how many lie up to each sample
        wanted = np.linspace(0, reached[-1] - 1, LEVELS)
        row[:] = losses[order[np.searchsorted(reached, wanted, side="right")]]
    return drawn


def levels(values: Floats) -> Floats:
    """`[LEVELS]`: evenly spaced quantiles, from the least to the greatest."""
    return np.asarray(np.quantile(values, np.linspace(0, 1, LEVELS)))


def rounded(values: Floats) -> list[float]:
    """To what a plot can show: six significant digits."""
    return [float(f"{value:.6g}") for value in values]
