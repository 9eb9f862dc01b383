"""A recipe for tests of the service: noisy blobs, learnt by heart in about a second."""

import torch
from torch import nn

from models.data import Holdout, Samples
from models.recipe import Classifier
from models.recipes.people import deal
from models.training import Schedule

PEOPLE, EACH, CLASSES, WIDTH = 40, 10, 4, 16
POOL = PEOPLE * EACH


def read() -> Samples:
    """The same 800 samples whenever they are read."""
    generator = torch.Generator().manual_seed(0)
    count = 2 * POOL
    labels = torch.randint(CLASSES, (count,), generator=generator)
    centres = torch.randn(CLASSES, WIDTH, generator=generator)
    inputs = centres[labels] + 1.5 * torch.randn(count, WIDTH, generator=generator)
    return Samples(
        ids=tuple(f"tiny-{place:03d}" for place in range(count)),
        batch=(inputs, labels),
        strata=labels,
        subjects=deal(count, each=EACH, people="person"),
    )


def pool() -> Samples:
    return read().take(torch.arange(POOL))


def holdout() -> Holdout:
    everything = read()
    return Holdout(
        validation=everything.take(torch.arange(POOL, POOL + POOL // 2)),
        test=everything.take(torch.arange(POOL + POOL // 2, 2 * POOL)),
    )


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(WIDTH, 64), nn.ReLU(), nn.Linear(64, CLASSES))


recipe = Classifier(
    name="tiny",
    network=network,
    read_pool=pool,
    read_holdout=holdout,
    schedule=Schedule(epochs=60, batch_size=16, peak_rate=0.05, weight_decay=0.0),
)
