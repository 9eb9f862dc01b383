"""The recipe of the fault tests: many people with little data each, learnt in a moment."""

import os

import torch
from torch import nn

from models.data import Holdout, Samples
from models.recipe import Classifier
from models.recipes.people import deal
from models.training import Schedule

EACH, CLASSES, WIDTH = 4, 4, 16
SIZE = "CROWD_PEOPLE"  # whoever starts a stack may ask for more people than it takes at least
LEAST = 150


def people() -> int:
    """How many there are to learn from; half as many again are held out."""
    return int(os.environ.get(SIZE, LEAST))


def read() -> Samples:
    """The same samples whenever they are read."""
    generator = torch.Generator().manual_seed(1)
    count = EACH * people() * 3 // 2
    labels = torch.randint(CLASSES, (count,), generator=generator)
    centres = 3 * torch.randn(CLASSES, WIDTH, generator=generator)
    inputs = centres[labels] + torch.randn(count, WIDTH, generator=generator)
    return Samples(
        ids=tuple(f"crowd-{place:03d}" for place in range(count)),
        batch=(inputs, labels),
        strata=labels,
        subjects=deal(count, each=EACH, people="person"),
    )


def pool() -> Samples:
    return read().take(torch.arange(EACH * people()))


def holdout() -> Holdout:
    everything, first = read(), EACH * people()
    half = (len(everything) + first) // 2
    return Holdout(
        validation=everything.take(torch.arange(first, half)),
        test=everything.take(torch.arange(half, len(everything))),
    )


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 32), nn.ReLU(), nn.Linear(32, CLASSES))


recipe = Classifier(
    name="crowd",
    network=network,
    read_pool=pool,
    read_holdout=holdout,
    schedule=Schedule(epochs=10, batch_size=16, peak_rate=0.05),
)
