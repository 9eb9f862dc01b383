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

from models.auditing.attacks import Ints, matched
from models.auditing.signals import Said, Signals

MOST_PEOPLE = 60  # held-out people that are looked at
DRAWS = 1000


@dataclass(frozen=True)
class Chance:
    """The standard deviation of a leak where there is none, and what it seldom exceeds."""

    noise: float
    bound: float


@dataclass(frozen=True)
class Nobody:
    """One held-out person as a forget set: what each network says, the first to be attacked."""

    served: Said
    yardsticks: tuple[Said, ...]


def nobodies(networks: Sequence[Said], people: Sequence[str]) -> list[Nobody]:
    """Every network on every held-out person, the other networks for a yardstick.

    `networks`: said of the validation set, `[V]`, whose samples belong to `people`. People none of
    whose samples can be compared within its stratum are left out.
    """
    names, owner = np.unique(people, return_inverse=True)
    chosen = np.random.default_rng(0).permutation(len(names))[:MOST_PEOPLE]
    made: list[Nobody] = []
    for person in chosen:
        mine = owner == person
        strata = networks[0]["validation"].strata
        if matched(strata[mine], strata[~mine]).any():
            said = [alone(network, mine) for network in networks]
            made += [
                Nobody(said[place], (*said[:place], *said[place + 1 :]))
                for place in range(len(said))
            ]
    return made


def alone(said: Said, mine: Ints) -> Said:
    """A network's word on one person against all others of the validation set."""
    return {
        "forget": rows(said["validation"], mine),
        "validation": rows(said["validation"], ~mine),
    }


def rows(signals: Signals, chosen: Ints) -> Signals:
    return Signals(signals.losses[chosen], signals.scores[chosen], signals.strata[chosen])


def chance(found: Sequence[float], people: Sequence[str], *, certain: float) -> Chance:
    """What is found on forgotten people of whom nothing leaks, each weighing by his samples.

    `found`: the leaks of one held-out person each; people are independent of each other. The bound
    is that of people drawn from these, for a few odd ones have much longer tails than a normal law.
    No noise, where nobody could be tried.
    """
    if not len(found):
        return Chance(0.0, 0.0)
    shares = np.array(list(Counter(people).values())) / len(people)
    drawn = np.random.default_rng(0).choice(np.asarray(found), size=(DRAWS, len(shares)))
    return Chance(
        noise=float(np.sqrt((shares**2).sum() * np.mean(np.square(found)))),
        bound=float(np.quantile(np.abs(drawn @ shares), certain)),
    )
