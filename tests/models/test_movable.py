"""What nothing can be unlearned by is refused with the way out, by methods and by hardness."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.batch_losses import movable, require_losses_per_sample
from models.data import Batch
from models.hardness.measure import measure
from models.progress import silent
from models.unlearning import METHODS
from models.unlearning.distil import distil
from tests.models.blobs import make_split, recipe, same_state, trained
from tests.models.spoilt import spoilt
from tests.models.tiny_recipe import Tiny

WAYS: dict[str, Callable[..., Any]] = {
    **METHODS,
    "distil": partial(distil, targets=torch.full((16, 4), 0.25)),
    "measure": measure,
}
ON_WHAT_IS_GIVEN = sorted(WAYS.keys() - {"retrain"})  # that one builds a network of its own


class Complex(nn.Module):
    """A layer whose weight is complex."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 4, dtype=torch.complex64))

    def forward(self, inputs: Tensor) -> Tensor:
        return (inputs.to(self.weight.dtype) @ self.weight).abs()


class Sparse(nn.Module):
    """An embedding whose gradient is sparse, of how many inputs are above nought."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 4, sparse=True)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.table((inputs > 0).sum(dim=1))


class Aside(nn.Module):
    """What its loss depends on is frozen, and what may move it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.used = nn.Linear(8, 4).requires_grad_(False)
        self.unused = nn.Linear(8, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.used(inputs)


def run(way: str, network: nn.Module, of: Any = recipe) -> None:
    WAYS[way](network, make_split(), of, seed=0, progress=silent)


@pytest.mark.parametrize("way", sorted(WAYS))
def test_losses_without_a_gradient_are_refused(way: str) -> None:
    with pytest.raises(ValueError, match=r"without no_grad\(\) and detach\(\)"):
        run(way, trained(), spoilt(torch.detach))


@pytest.mark.parametrize("way", ON_WHAT_IS_GIVEN)
def test_a_loss_that_depends_on_nothing_that_may_move_is_refused(way: str) -> None:
    with pytest.raises(ValueError, match="freeze less of the network"):
        run(way, Aside())


@pytest.mark.parametrize("way", ON_WHAT_IS_GIVEN)
def test_sparse_gradients_are_refused(way: str) -> None:
    with pytest.raises(ValueError, match=r"table\.weight is sparse; .* sparse=False"):
        run(way, Sparse())


@pytest.mark.parametrize("way", ON_WHAT_IS_GIVEN)
def test_complex_parameters_are_refused_unless_they_are_frozen(way: str) -> None:
    with pytest.raises(ValueError, match=r"parameter weight is complex; .* or freeze it"):
        run(way, Complex())


def test_complex_parameters_that_are_frozen_are_left_alone() -> None:
    network = nn.Sequential(Complex().requires_grad_(False), nn.Linear(4, 4))

    assert movable(network) == list(network[1].parameters())
    run("hamu", network)


def test_the_check_leaves_the_network_and_all_random_states_as_they_were() -> None:
    network = copy.deepcopy(trained()).train()
    network[1].eval()  # type: ignore[index]
    before, drawn = copy.deepcopy(network), torch.get_rng_state()

    with torch.no_grad():
        require_losses_per_sample(network, recipe, make_split().forget)

    assert same_state(network, before)
    assert [m.training for m in network.modules()] == [m.training for m in before.modules()]
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(torch.get_rng_state(), drawn)


class Counted(Tiny):
    """Notes how many samples its losses are asked for."""

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        losses = super().losses(network, batch)
        asked.append(len(losses))
        return losses


asked: list[int] = []


def test_the_check_costs_two_samples() -> None:
    asked.clear()
    counted = Counted()

    require_losses_per_sample(counted.build(), counted, counted.pool())

    assert asked == [2]
