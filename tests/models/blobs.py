"""A tiny network that overfits four overlapping clouds, for tests of methods."""

from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

from models.data import Holdout, Samples, Split
from models.progress import silent
from models.recipe import Classifier
from models.seeding import seeded
from models.training import Schedule, evaluate

CLASSES, WIDTH = 4, 8


def blobs(count: int, *, seed: int, name: str) -> Samples:
    """Four overlapping clouds; a label in ten is wrong, so that there is something to memorize."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    centres = 1.5 * F.one_hot(labels, WIDTH).float()
    wrong = torch.rand(count, generator=generator) < 0.1
    return Samples(
        ids=tuple(f"{name}-{place}" for place in range(count)),
        batch=(
            centres + torch.randn(count, WIDTH, generator=generator),
            torch.where(wrong, (labels + 1) % CLASSES, labels),
        ),
        strata=labels,
    )


def build() -> nn.Module:
    return nn.Sequential(
        nn.Linear(WIDTH, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, CLASSES)
    )


recipe = Classifier(
    name="blobs",
    network=build,
    read_pool=lambda: blobs(128, seed=0, name="pool"),
    read_holdout=lambda: Holdout(blobs(64, seed=1, name="val"), blobs(64, seed=2, name="test")),
    schedule=Schedule(epochs=30, batch_size=32, weight_decay=0.0),
)


@cache
def trained() -> nn.Module:
    """The network trained on all of the pool; whoever wants to change it takes a copy."""
    with seeded(0):
        fresh = recipe.build()
    recipe.fit(fresh, recipe.pool(), seed=0, progress=silent)
    return fresh


def make_split(forget: int = 16) -> Split:
    pool = recipe.pool()
    places = torch.arange(len(pool))
    return Split(
        pool.take(places < forget), pool.take(places >= forget), recipe.holdout().validation
    )


def distance(one: nn.Module, other: nn.Module) -> float:
    """The Euclidean distance of two networks' parameters; buffers do not count."""
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return torch.stack([(a - b).square().sum() for a, b in pairs]).sum().sqrt().item()


def same_state(one: nn.Module, other: nn.Module) -> bool:
    states = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in states)


def mean_loss(network: nn.Module, samples: Samples) -> float:
    return evaluate(network, samples, recipe.losses).mean().item()
