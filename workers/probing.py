"""Times a training on a few samples, where nothing tells yet how long a retrain takes."""

import time
from collections.abc import Callable

import torch

from models.data import Samples
from models.progress import Progress

MOST = 256


def probe(
    samples: Samples, seed: int, train: Callable[[Samples, int], object], progress: Progress
) -> tuple[float, int]:
    """Seconds that the recipe takes to train on a few samples, and how many these were."""
    few = samples.take(torch.arange(min(MOST, len(samples))))
    progress(0.0, f"timing a training on {len(few)} samples")
    started = time.monotonic()
    train(few, seed)
    return time.monotonic() - started, len(few)
