"""Times a training on a few samples, where nothing tells yet how long a retrain takes."""

import time
from collections.abc import Callable

import torch

from models.data import Samples

TIMED = 0.2  # of the progress of an assessment
MOST, FEWEST = 256, 64
SHARE = 0.05  # of the samples, between these: it is part of what an assessment costs


def probe(samples: Samples, train: Callable[[Samples], object]) -> tuple[float, int]:
    """Seconds that the recipe takes to train on a few samples, and how many these were."""
    wanted = min(max(FEWEST, round(SHARE * len(samples))), MOST, len(samples))
    few = samples.take(torch.arange(wanted))
    started = time.monotonic()
    train(few)
    return time.monotonic() - started, len(few)
