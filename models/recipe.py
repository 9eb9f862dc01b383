"""The contract a user implements: how one family of networks is built, trained and scored."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.data import Batch, Holdout, Samples
from models.progress import Progress
from models.resuming import Resume
from models.training import Schedule, train


@runtime_checkable
class Recipe(Protocol):
    """One family of networks and where its samples are read.

    `lacuna recipe check NAME` tries whether an implementation keeps the promises written here.
    """

    @property
    def name(self) -> str:
        """What the recipe is known by; read only, so that a frozen dataclass can be one."""

    def build(self) -> nn.Module:
        """A network with fresh weights, drawn from the global generator."""

    def pool(self) -> Samples:
        """Every sample that may be trained on."""

    def holdout(self) -> Holdout:
        """Samples that are never trained on."""

    def fit(
        self, network: nn.Module, samples: Samples, *, seed: int, progress: Progress
    ) -> Tensor | None:
        """Train in place: the one procedure for the original, for references and for a retrain.

        A further keyword `resume`, if there is one, is a `Resume` or None: the place where a loop
        of your own may leave its state, to go on from there (models/resuming.py; `train` does so).

        May return, in the order of `samples`, the mean confidence of each over the epochs (`[N]`,
        0..1): a by-product that tells memorized samples apart (RUM's C-proxy, arXiv 2406.01257).
        """

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`[B]`: the loss of each sample, differentiable in the network's parameters."""

    def scores(self, network: nn.Module, batch: Batch) -> Tensor:
        """`[B]`: how well each sample is served, 0..1, for instance correct or not."""

    def embeddings(self, network: nn.Module, batch: Batch) -> Tensor:
        """`[B, d]`: the representation in which entanglement is measured."""


@runtime_checkable
class TokenRecipe(Protocol):
    """What a recipe for a language model may offer besides, so that audits look at single tokens.

    Nothing else needs it: forgetting works on `losses`, one for each sample.
    """

    def token_losses(self, network: nn.Module, batch: Batch) -> Tensor:
        """`[B, T]`: the loss of each token; NaN where there is none. T may differ by batch."""


@dataclass(frozen=True)
class Classifier:
    """A ready recipe for networks that map inputs to class logits; batches are `(inputs, labels)`.

    The embedding is what goes into the network's last `nn.Linear`.
    """

    name: str
    network: Callable[[], nn.Module]
    read_pool: Callable[[], Samples]
    read_holdout: Callable[[], Holdout]
    schedule: Schedule

    def build(self) -> nn.Module:
        return self.network()

    def pool(self) -> Samples:
        return self.read_pool()

    def holdout(self) -> Holdout:
        return self.read_holdout()

    def fit(
        self,
        network: nn.Module,
        samples: Samples,
        *,
        seed: int,
        progress: Progress,
        resume: Resume | None = None,
    ) -> Tensor | None:
        return train(
            network,
            samples,
            self.losses,
            schedule=self.schedule,
            seed=seed,
            progress=progress,
            resume=resume,
        )

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        inputs, labels = labelled(batch)
        return F.cross_entropy(network(inputs), labels, reduction="none")

    def scores(self, network: nn.Module, batch: Batch) -> Tensor:
        inputs, labels = labelled(batch)
        return (network(inputs).argmax(dim=1) == labels).float()

    def embeddings(self, network: nn.Module, batch: Batch) -> Tensor:
        inputs, _ = labelled(batch)
        return input_of(last_linear(network), lambda: network(inputs))


def fit(
    recipe: Recipe,
    network: nn.Module,
    samples: Samples,
    *,
    seed: int,
    progress: Progress,
    resume: Resume | None = None,
) -> Tensor | None:
    """The recipe's training; one that has a keyword `resume` may go on where it was killed."""
    known = "resume" in inspect.signature(recipe.fit).parameters
    more: dict[str, Any] = {"resume": resume} if known else {}
    return recipe.fit(network, samples, seed=seed, progress=progress, **more)


def labelled(batch: Batch) -> tuple[Tensor, Tensor]:
    """Inputs and labels of a classifier's batch."""
    if not isinstance(batch, tuple) or len(batch) != 2:
        raise ValueError("a Classifier's batches are pairs (inputs, labels)")
    return batch[0], batch[1]


def last_linear(network: nn.Module) -> nn.Linear:
    """The last fully connected layer in order of definition."""
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise ValueError("this network has no nn.Linear; write your own `embeddings`")
    return linears[-1]


def input_of(layer: nn.Module, run: Callable[[], object]) -> Tensor:
    """What goes into the layer while `run` runs, flattened to `[B, d]`."""
    seen: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        run()
    finally:
        handle.remove()
    return torch.flatten(seen[-1], start_dim=1)
