"""One seed per job, for every generator that training and unlearning draw from."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[torch.Generator]:
    """Seed the global generators, choose deterministic kernels, hand out a generator for shuffles.

    Layer initialisation and dropout draw from the global generator, so it is seeded too; what was
    there before is restored at the end. Results repeat bit for bit on one machine with one thread
    count; another processor or thread count may sum in another order.
    """
    cpu_state, python_state, numpy_state = (
        torch.get_rng_state(),
        random.getstate(),
        np.random.get_state(),
    )
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield torch.Generator().manual_seed(seed)
    finally:
        torch.use_deterministic_algorithms(deterministic)
        torch.set_rng_state(cpu_state)
        random.setstate(python_state)
        np.random.set_state(numpy_state)
