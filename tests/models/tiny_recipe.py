"""A sound recipe that checks in a twentieth of a second, for tests to break."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from models.data import Holdout, Samples
from models.progress import Progress
from models.recipe import Classifier, Recipe
from models.recipe_check import check
from models.resuming import Resume
from models.training import Schedule, train


def make_samples(name: str, size: int, *, seed: int) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(size) % 3
    inputs = torch.randn(size, 4, generator=generator) + labels.unsqueeze(1)
    return Samples(tuple(f"{name}-{place}" for place in range(size)), (inputs, labels), labels)


def pool() -> Samples:
    return make_samples("pool", 60, seed=0)


def holdout() -> Holdout:
    return Holdout(
        validation=make_samples("validation", 30, seed=1), test=make_samples("test", 30, seed=2)
    )


def network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def renamed(samples: Samples, *ids: str) -> Samples:
    """The samples, the first of them under these ids."""
    return replace(samples, ids=ids + samples.ids[len(ids) :])


@dataclass(frozen=True)
class Tiny(Classifier):
    """A sound recipe; what breaks it is said in each test. It always trains by sound losses."""

    name: str = "tiny"
    network: Callable[[], nn.Module] = network
    read_pool: Callable[[], Samples] = pool
    read_holdout: Callable[[], Holdout] = holdout
    schedule: Schedule = field(default_factory=lambda: Schedule(epochs=2, batch_size=16))

    def fit(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        seed: int,
        progress: Progress,
        resume: Resume | None = None,
    ) -> Tensor | None:
        sound = super().losses
        return train(network, samples, sound, schedule=self.schedule, seed=seed, progress=progress)


def complaints(recipe: Recipe) -> dict[str, str]:
    return {finding.what: finding.detail for finding in check(recipe) if not finding.ok}
