from dataclasses import replace

import pytest
import torch
from torch import nn

from models.progress import silent
from models.unlearning.contract import Stop
from models.unlearning.ssd import importance, ssd
from tests.models.blobs import make_split, recipe, same_state, trained


@pytest.fixture
def network() -> nn.Module:
    return trained()


def test_ssds_importance_is_the_mean_of_squares_and_not_the_square_of_the_mean(
    network: nn.Module,
) -> None:
    samples = make_split().forget
    weight = next(network.parameters())
    singles = [
        torch.autograd.grad(recipe.losses(network, samples.rows(row)).mean(), weight)[0]
        for row in torch.arange(len(samples)).split(1)
    ]
    whole = torch.autograd.grad(recipe.losses(network, samples.batch).mean(), weight)[0]

    measured = importance(network, samples, recipe)[0]

    torch.testing.assert_close(measured, torch.stack(singles).square().mean(dim=0))
    assert measured.sum() > 2 * whole.square().sum()


def test_ssd_does_not_depend_on_how_samples_come_together(network: nn.Module) -> None:
    forget = make_split().forget
    rows = torch.arange(len(forget))
    alone = importance(network, forget.take(rows), recipe)

    twice = replace(
        forget.take(torch.cat((rows, rows.flip(0)))),
        ids=tuple(f"copy-{place}" for place in range(2 * len(forget))),
    )

    for once, again in zip(alone, importance(network, twice, recipe), strict=True):
        torch.testing.assert_close(once, again)


def test_ssd_shrinks_exactly_the_weights_that_matter_most_for_the_forget_set(
    network: nn.Module,
) -> None:
    split = make_split()
    everything = recipe.pool()

    done = ssd(network, split, recipe, selection=2.0, dampening=0.5, seed=0, progress=silent)

    ours, all_of_it = (importance(network, s, recipe)[0] for s in (split.forget, everything))
    before = next(network.parameters())
    shrunk = before * (0.5 * all_of_it / ours).clamp(max=1.0)
    wanted = torch.where(ours > 2.0 * all_of_it, shrunk, before)
    assert not torch.equal(wanted, before)
    torch.testing.assert_close(next(done.network.parameters()), wanted)


def test_ssd_says_when_it_found_nothing_to_do(network: nn.Module) -> None:
    done = ssd(network, make_split(), recipe, selection=1e9, seed=0, progress=silent)

    assert done.trace.stop is Stop.ZERO_GRADIENT
    assert same_state(done.network, network)
