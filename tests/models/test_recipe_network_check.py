from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from models.data import Batch, Samples
from models.progress import Progress
from models.recipe import Recipe
from models.recipe_network_check import NETWORK, NETWORK_ADVICE
from models.resuming import Resume
from models.training import Schedule
from tests.models.tiny_recipe import Tiny, complaints, network

BUILT = "a network with parameters to train can be built, and fitted to a few samples"


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Blind(Tiny):
    """Its `fit` forgets to train."""

    def fit(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        seed: int,
        progress: Progress,
        resume: Resume | None = None,
    ) -> Tensor | None:
        return None


class Careless(Tiny):
    """Its `fit` draws from whatever state the generators are in."""

    def fit(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        seed: int,
        progress: Progress,
        resume: Resume | None = None,
    ) -> Tensor | None:
        nn.init.normal_(next(network.parameters()))
        return super().fit(network, samples, seed=seed, progress=progress)


class Stubborn(Tiny):
    """Its `fit` has a seed of its own."""

    def fit(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        seed: int,
        progress: Progress,
        resume: Resume | None = None,
    ) -> Tensor | None:
        return super().fit(network, samples, seed=42, progress=progress)


class Boastful(Tiny):
    """Its confidences are no probabilities."""

    def fit(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        seed: int,
        progress: Progress,
        resume: Resume | None = None,
    ) -> Tensor | None:
        super().fit(network, samples, seed=seed, progress=progress)
        return torch.full((len(samples),), 1.5)


class Mean(Tiny):
    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().losses(network, batch).mean()


class Infinite(Tiny):
    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().losses(network, batch) / 0


class Detached(Tiny):
    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().losses(network, batch).detach()


class Relative(Tiny):
    """A sample's loss is told against the mean of its batch."""

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        losses = super().losses(network, batch)
        return losses - losses.mean() + 1


class Undefined(Tiny):
    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().losses(network, batch) * torch.nan


class Percent(Tiny):
    def scores(self, network: nn.Module, batch: Batch) -> Tensor:
        return 100 * super().scores(network, batch)


class Accuracy(Tiny):
    def scores(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().scores(network, batch).mean()


class Unflattened(Tiny):
    def embeddings(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().embeddings(network, batch).unsqueeze(2)


class Endless(Tiny):
    def embeddings(self, network: nn.Module, batch: Batch) -> Tensor:
        return super().embeddings(network, batch) / 0


class Scale(nn.Module):
    """Keeps a number that is no parameter and no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = 1 + torch.rand(())

    def forward(self, inputs: Tensor) -> Tensor:
        return self.factor * inputs


def frozen() -> nn.Module:
    return network().requires_grad_(False)


def always_the_same() -> nn.Module:
    torch.manual_seed(0)
    return network()


def never_the_same() -> nn.Module:
    torch.seed()
    return network()


BROKEN = [
    (
        BUILT,
        lambda: Tiny(network=frozen),
        "build() gave a network with no parameter that requires a gradient",
    ),
    (
        BUILT,
        lambda: Tiny(network=lambda: nn.Linear(5, 3)),
        "it raised RuntimeError: mat1 and mat2 shapes cannot be multiplied",
    ),
    (
        BUILT,
        lambda: Tiny(schedule=Schedule(epochs=2, batch_size=16, peak_rate=1e30)),
        "fit() left weights that are not finite; lower its rate",
    ),
    (
        "build draws its weights from the global seed",
        lambda: Tiny(network=always_the_same),
        "build() gave the same weights under two global seeds",
    ),
    (
        "build draws its weights from the global seed",
        lambda: Tiny(network=never_the_same),
        "build() gave different weights under one global seed",
    ),
    ("fit moves the weights", Blind, "fit() left the weights as they were"),
    (
        "fit gives the same network under the same seed",
        Careless,
        "fit() gave different weights under one seed; wrap it in `models.seeding.seeded(seed)`",
    ),
    (
        "fit gives another network under another seed",
        Stubborn,
        "fit() gave the same weights under two seeds",
    ),
    (
        "fit returns nothing or one confidence a sample",
        Boastful,
        "fit() returned (60,) between 1.5 and 1.5",
    ),
    ("losses are one finite number a sample", Mean, "losses() gave [], not [16]"),
    ("losses are one finite number a sample", Infinite, "values that are not finite"),
    (
        "losses have a gradient in the network's parameters",
        Detached,
        "losses() has no gradient in the network's parameters",
    ),
    (
        "a sample's loss does not depend on the rest of the batch",
        Relative,
        "a sample's loss changed with its companions in the batch",
    ),
    ("scores are one number a sample, 0..1", Percent, "scores() ran from 0.0 to 100.0"),
    ("scores are one number a sample, 0..1", Accuracy, "scores() gave [], not [16]"),
    ("embeddings are one finite vector a sample", Unflattened, "gave [16, 8, 1], not [16, d]"),
    ("embeddings are one finite vector a sample", Endless, "values that are not finite"),
    (
        "weights that are saved and loaded are the same",
        lambda: Tiny(network=lambda: nn.Sequential(network(), Scale())),
        "a network that was saved and loaded gave other losses",
    ),
    (
        "fit can deal with a single sample",
        lambda: Tiny(network=lambda: nn.Sequential(nn.BatchNorm1d(4), network())),
        "Expected more than 1 value per channel",
    ),
]


@pytest.mark.parametrize(("what", "broken", "detail"), BROKEN)
def test_a_broken_promise_about_networks_is_found_and_explained(
    what: str, broken: Callable[[], Recipe], detail: str
) -> None:
    assert detail in complaints(broken())[what]


@pytest.mark.parametrize(
    "broken", [Undefined(), Tiny(schedule=Schedule(epochs=2, batch_size=16, peak_rate=1e30))]
)
def test_what_is_not_finite_is_complained_of_once(broken: Recipe) -> None:
    assert len(complaints(broken)) == 1


def test_every_promise_about_networks_is_broken_in_some_test() -> None:
    assert {what for what, _, _ in BROKEN} == {BUILT, *NETWORK, *NETWORK_ADVICE}
