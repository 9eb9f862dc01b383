"""Kills a loop where a test wants it to die, and a recipe that draws from every generator."""

import random

import numpy as np
from torch import Tensor, nn

from models.data import Batch
from models.progress import Progress
from models.recipe import Classifier, labelled
from models.training import Schedule
from tests.workers import tiny

EPOCHS = 6


class Killed(Exception):
    """What a kill is to the loop."""


def killed_at(share: float) -> Progress:
    """A kill as this share of the work, or a larger one, is announced."""

    def progress(done: float, words: str) -> None:
        if done >= share:
            raise Killed

    return progress


def noisy() -> nn.Module:
    """Dropout draws from the global generator, batch normalisation has buffers."""
    return nn.Sequential(
        nn.Linear(tiny.WIDTH, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(), nn.Linear(24, 4)
    )


class Jittery(Classifier):
    """Its losses draw from every generator that a job's seed has seeded."""

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        inputs, labels = labelled(batch)
        shift = random.random() + np.random.standard_normal()
        return super().losses(network, (inputs + 0.1 * shift, labels))


JITTERY = Jittery(
    "jittery", noisy, tiny.pool, tiny.holdout, Schedule(EPOCHS, batch_size=64, momentum=0.9)
)
