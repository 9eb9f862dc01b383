"""Times a training on a few samples, where nothing tells yet how long a retrain takes."""

import time
from collections.abc import Callable

import torch

from models.data import Samples

MOST = 256


def probe(samples: Samples, train: Callable[[Samples], object]) -> tuple[float, int]:
    """Seconds that the recipe takes to train on a few samples, and how many these were."""
    few = samples.take(torch.arange(min(MOST, len(samples))))
    started = time.monotonic()
    train(few)
    return time.monotonic() - started, len(few)
