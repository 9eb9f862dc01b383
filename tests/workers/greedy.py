"""A recipe that is given less memory than it asks for, as accelerators do."""

import torch
from torch import nn

from models.data import Samples
from models.progress import Progress
from models.recipe import Classifier
from models.resuming import Resume
from tests.workers import tiny


class Greedy(Classifier):
    """Wants more than there is."""

    def fit(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        seed: int,
        progress: Progress,
        resume: Resume | None = None,
    ) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 80.00 GiB")


recipe = Greedy("greedy", tiny.network, tiny.pool, tiny.holdout, tiny.recipe.schedule)
