"""The recipe of the fault tests: many people with little data each, learnt in a moment."""

import torch
from torch import nn

from models.data import Holdout, Samples
from models.recipe import Classifier
from models.recipes.people import deal
from models.training import Schedule

PEOPLE, EACH, CLASSES, WIDTH = 150, 4, 4, 16
POOL = PEOPLE * EACH


def read() -> Samples:
    """The same 900 samples whenever they are read."""
    generator = torch.Generator().manual_seed(1)
    count = POOL + POOL // 2
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
    return read().take(torch.arange(POOL))


def holdout() -> Holdout:
    everything = read()
    return Holdout(
        validation=everything.take(torch.arange(POOL, POOL + POOL // 4)),
        test=everything.take(torch.arange(POOL + POOL // 4, POOL + POOL // 2)),
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
