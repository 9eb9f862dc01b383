"""Research-grade calibration of a method: many networks for one forget set, one round at a time.

A round trains an original, unlearns it, and retrains twice without the forget set; the second
retrain is what the first is compared with to know what no difference looks like.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from models.auditing import klom, ulira
from models.auditing.attacks import logit_confidence
from models.auditing.intervals import Floats
from models.data import Samples, Split
from models.fresh import trained
from models.progress import Progress
from models.recipe import Recipe
from models.training import evaluate
from models.unlearning.contract import Method
from models.unlearning.retrain import retrain

WORLDS = ("unlearned", "retrained", "again")
FEWEST = 4  # rounds, before anything can be said
SEEDS = 10  # between two rounds' first seeds


@dataclass(frozen=True)
class Deep:
    """What rounds say of a method on one set of samples."""

    samples: str
    rounds: int
    klom: klom.Klom
    ulira: ulira.Ulira


def one_round(
    recipe: Recipe,
    split: Split,
    method: Method,
    *,
    number: int,
    seed: int,
    progress: Progress,
    device: torch.device | str = "cpu",
) -> dict[str, dict[str, list[float]]]:
    """By world and set: the scaled confidence of every sample, as plain numbers to be kept."""
    first = seed + SEEDS * number
    original, _ = trained(
        recipe, everybody(recipe, split), seed=first, progress=progress, device=device
    )
    networks = {
        "unlearned": method(original, split, recipe, seed=first + 1, progress=progress).network,
        "retrained": retrain(original, split, recipe, seed=first + 2, progress=progress).network,
        "again": retrain(original, split, recipe, seed=first + 3, progress=progress).network,
    }
    return {
        world: {name: confidences(network, samples, recipe) for name, samples in sets(split)}
        for world, network in networks.items()
    }


def everybody(recipe: Recipe, split: Split) -> Samples:
    """What the original is trained on."""
    return recipe.pool().named((*split.forget.ids, *split.retain.ids))


def sets(split: Split) -> list[tuple[str, Samples]]:
    """What is looked at: the forget set, as many kept samples, and unseen ones."""
    count = len(split.forget)
    kept = torch.arange(min(count, len(split.retain)))
    return [
        ("forget", split.forget),
        ("retain", split.retain.take(kept)),
        ("validation", split.validation),
    ]


def confidences(network: nn.Module, samples: Samples, recipe: Recipe) -> list[float]:
    """The margin of the true answer against all others: log(p / (1 - p))."""
    losses = evaluate(network, samples, recipe.losses).double().numpy()
    return [float(value) for value in logit_confidence(losses)]


def split_of(recipe: Recipe, *, share: float, seed: int) -> Split:
    """A forget set of this share of the pool, drawn by the seed; people are not torn apart."""
    pool = recipe.pool()
    owners = pool.owners
    names = sorted(set(owners))
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(seed))
    taken = {names[place] for place in order[: max(1, round(share * len(names)))].tolist()}
    forget = torch.tensor([owner in taken for owner in owners])
    return Split(pool.take(forget), pool.take(~forget), recipe.holdout().validation)


def summary(rounds: Sequence[dict[str, dict[str, list[float]]]]) -> list[Deep]:
    """What all rounds say together; `ValueError` where they are fewer than `FEWEST`."""
    if len(rounds) < FEWEST:
        raise ValueError(f"{len(rounds)} rounds say nothing: {FEWEST} at least are needed")
    return [
        Deep(name, len(rounds), klom.summary(*worlds), ulira.summary(*worlds))
        for name in rounds[0]["unlearned"]
        for worlds in [[stacked(rounds, world, name) for world in WORLDS]]
    ]


def stacked(rounds: Sequence[dict[str, dict[str, list[float]]]], world: str, name: str) -> Floats:
    """`[N, S]`."""
    return np.array([one[world][name] for one in rounds])
