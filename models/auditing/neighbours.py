"""Whether those who stay became easier to find because others left: the onion effect.

Removing the most exposed people exposes who lies beneath them (Carlini et al., arXiv 2206.10469).
So the population attacks are run on the retained samples nearest to the forgotten ones, on the
version before and on the new one. They are members of both, so it is not the AUC that tells, but
its change; and since a method that trains on what is kept exposes all of it a little, the change is
held beside that of other retained samples of the same strata. It informs and decides nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from models.auditing.attacks import Ints, Placements, less, matched, unseen_variance
from models.auditing.intervals import Floats, Interval, around
from models.auditing.population import POPULATION_ATTACKS
from models.auditing.signals import RETAIN_CAP, Said, Signals, capped
from models.data import Batch, Samples, Split, lot
from models.recipe import Classifier, Recipe, input_of, last_linear
from models.training import evaluate

NEAREST = 5  # retained samples that are looked up for each forgotten one
CANDIDATES = 5_000  # retained samples among which they are sought, drawn by the audit's seed
LEAST = 10  # neighbours, and others beside them, below which nothing is said
LEAST_PEOPLE = 5


@dataclass(frozen=True)
class Speaker:
    """A network, and what it said of the validation set."""

    network: nn.Module
    unseen: Signals

    def said(self, samples: Samples, recipe: Recipe) -> Said:
        """Its losses on retained samples, in the place where attacks look for forgotten ones."""
        return self.of(samples, evaluate(self.network, samples, recipe.losses))

    def of(self, samples: Samples, losses: Tensor) -> Said:
        """The same from losses that are known already."""
        unasked = np.full(len(losses), np.nan)
        heard = Signals(losses.double().numpy(), unasked, samples.strata.numpy())
        return {"forget": heard, "validation": self.unseen}


@dataclass(frozen=True)
class Side:
    """Some retained samples, and what the version before said of them."""

    samples: Samples
    before: Said

    @property
    def strata(self) -> Ints:
        return self.samples.strata.numpy()


@dataclass(frozen=True)
class Exposure:
    """One attack on one network: how much easier retained samples are to find than before.

    `before`, `after`: AUC of the neighbours against unseen samples. `change`: after less before;
    `others`: the same of other retained samples, weighted to the neighbours' strata; `excess`: the
    first less the second. In the intervals the samples of one person stand and fall together.
    """

    attack: str
    network: str
    before: float
    after: float
    change: Interval
    others: Interval
    excess: Interval


@dataclass(frozen=True)
class Neighbours:
    """The retained samples nearest to the forgotten ones, whose they are, and what became of them.

    `others`: with how many other retained samples they are compared.
    """

    samples: int
    people: int
    others: int
    exposures: list[Exposure]


def neighbours(
    before: Speaker,
    networks: Mapping[str, Speaker],
    split: Split,
    recipe: Recipe,
    *,
    seed: int,
    confidence: float,
) -> Neighbours | None:
    """What became of the neighbours under each of these networks; None where they are too few."""
    strata = split.retain.strata
    usable = torch.from_numpy(matched(strata.numpy(), before.unseen.strata))
    usable &= torch.isin(strata, split.forget.strata)
    if not usable.any():
        return None  # whole strata are forgotten
    kept = capped(split.retain.take(usable), seed=seed, most=CANDIDATES)
    forget = capped(split.forget, seed=seed)
    lie, _ = embedded(before.network, forget, recipe)
    theirs, losses = embedded(before.network, kept, recipe)
    groups = parted(kept.strata, nearest(lie, theirs, forget.strata, kept.strata))
    drawn = [rows[lot(len(rows), seed=seed, most=RETAIN_CAP)] for rows in groups]
    close, rest = (
        Side(samples, before.of(samples, losses[rows]))
        for samples, rows in zip(map(kept.take, drawn), drawn, strict=True)
    )
    people = len(set(close.samples.owners))
    if min(len(close.samples), len(rest.samples)) < LEAST or people < LEAST_PEOPLE:
        return None
    return Neighbours(
        len(close.samples),
        people,
        len(rest.samples),
        [
            exposure
            for name, speaker in networks.items()
            for exposure in exposures(name, speaker, close, rest, recipe, confidence=confidence)
        ],
    )


def embedded(network: nn.Module, samples: Samples, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Embeddings `[N, d]` and losses `[N]`; of a classifier in one pass instead of two."""
    if not isinstance(recipe, Classifier) or type(recipe).embeddings != Classifier.embeddings:
        return (
            evaluate(network, samples, recipe.embeddings),
            evaluate(network, samples, recipe.losses),
        )

    def both(network: nn.Module, batch: Batch) -> Tensor:
        losses: list[Tensor] = []
        inside = input_of(
            last_linear(network), lambda: losses.append(recipe.losses(network, batch))
        )
        return torch.column_stack([inside, losses[0]])

    told = evaluate(network, samples, both)
    return told[:, :-1], told[:, -1]


def nearest(
    forget: Tensor, kept: Tensor, strata: Tensor, kept_strata: Tensor, *, most: int = NEAREST
) -> Tensor:
    """Places, ascending and each once, of the kept embeddings `[K, d]` nearest to one of `[F, d]`.

    Euclidean, `most` for each forgotten one, within its stratum.
    """
    found = [torch.empty(0, dtype=torch.int64)]
    for kind in strata.unique():
        theirs = (kept_strata == kind).nonzero().flatten()
        distances = torch.cdist(forget[strata == kind].float(), kept[theirs].float())
        order = distances.topk(min(most, len(theirs)), dim=1, largest=False).indices
        found.append(theirs[order.flatten()])
    return torch.cat(found).unique()


def parted(strata: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """These places and the others, ascending, of strata `[K]` in which there are both."""
    chosen = torch.zeros(len(strata), dtype=torch.bool)
    chosen[places] = True
    both = torch.isin(strata, strata[chosen]) & torch.isin(strata, strata[~chosen])
    return (chosen & both).nonzero().flatten(), (~chosen & both).nonzero().flatten()


def exposures(
    name: str, after: Speaker, close: Side, rest: Side, recipe: Recipe, *, confidence: float
) -> Iterator[Exposure]:
    """Every attack that needs no reference, on one network."""
    now = [after.said(side.samples, recipe) for side in (close, rest)]
    given = [(alike(side.strata, close.strata), side.samples.owners) for side in (close, rest)]
    for attack, run in POPULATION_ATTACKS.items():
        old, new = ([run(said) for said in each] for each in ([close.before, rest.before], now))
        sides = [Change(less(*pair), *more) for *pair, more in zip(new, old, given, strict=True)]
        yield Exposure(
            attack,
            name,
            before=float(old[0].forgotten.mean()),
            after=float(new[0].forgotten.mean()),
            change=sides[0].interval(confidence=confidence),
            others=sides[1].interval(confidence=confidence),
            excess=excess(*sides, confidence=confidence),
        )


def alike(strata: Ints, wanted: Ints) -> Floats:
    """`[n]`, of sum 1: weights under which strata have the shares that they have in `wanted`."""
    shares = np.array([(wanted == kind).mean() / (strata == kind).sum() for kind in strata])
    return np.asarray(shares / shares.sum())


@dataclass(frozen=True)
class Change:
    """How placements of some retained samples changed; `weights` `[n]` are of sum 1."""

    placed: Placements
    weights: Floats
    owners: tuple[str, ...]

    @property
    def estimate(self) -> float:
        return float(self.weights @ self.placed.forgotten)

    @property
    def parts(self) -> Floats:
        """`[n]`, of sum 0: what each sample adds to the error of the mean."""
        return self.weights * (self.placed.forgotten - self.estimate)

    def interval(self, *, confidence: float) -> Interval:
        variance = by_person(self.parts, self.owners) + unseen_variance(self.placed)
        freedom = len(set(self.owners)) - 1
        return around(self.estimate, variance**0.5, freedom, confidence=confidence)


def excess(ours: Change, others: Change, *, confidence: float) -> Interval:
    """The first change less the second; both are seen against the same unseen samples."""
    parts = np.concatenate([ours.parts, -others.parts])
    both = replace(ours.placed, unseen=ours.placed.unseen - others.placed.unseen)
    variance = by_person(parts, ours.owners + others.owners) + unseen_variance(both)
    freedom = len(set(ours.owners)) - 1
    return around(ours.estimate - others.estimate, variance**0.5, freedom, confidence=confidence)


def by_person(parts: Floats, owners: tuple[str, ...]) -> float:
    """The variance of a sum of errors, those of one person going together.

    Liang and Zeger, Biometrika 73 (1986), with the correction for few groups; of two or more.
    """
    names, owner = np.unique(owners, return_inverse=True)
    sums = np.bincount(owner, weights=parts)
    return float(len(names) / (len(names) - 1) * (sums**2).sum())
