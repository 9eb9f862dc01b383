import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from models.data import Batch, Samples, leaves
from models.hardness.reconciliation import (
    Grams,
    affordable_pieces,
    gram,
    inner_products,
    reconciliation,
    squared_norm,
)

HALF = 0.5  # the quota: κ1 at a cosine of −1/2, κ2 at one of √3/2


class Regression:
    """Squared loss of a linear network; batches are (inputs, targets)."""

    def losses(self, network: nn.Module, batch: Batch) -> Tensor:
        inputs, targets = leaves(batch)
        return (network(inputs).squeeze(1) - targets).square() / 2


recipe: Any = Regression()


def make_samples(inputs: Tensor, targets: Tensor) -> Samples:
    ids = tuple(f"s{place}" for place in range(len(inputs)))
    return Samples(ids, (inputs, targets), strata=torch.zeros(len(inputs), dtype=torch.int64))


def some_samples(
    count: int, *, seed: int = 0, target: Callable[[Tensor], Tensor] | None = None
) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 5, generator=generator, dtype=torch.float64)
    return make_samples(inputs, target(inputs) if target else inputs.sum(dim=1))


def make_network() -> nn.Linear:
    network = nn.Linear(5, 1, dtype=torch.float64)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[0.5, -1.0, 2.0, 0.0, 1.0]]))
        network.bias.fill_(0.3)
    return network


def by_hand(network: nn.Linear, samples: Samples) -> Tensor:
    """The mean gradient of the squared loss, weight and bias: Σ (w·x + b − y)(x, 1) / N."""
    inputs, targets = leaves(samples.batch)
    error = network(inputs).detach().squeeze(1) - targets
    return torch.cat(((error[:, None] * inputs).mean(dim=0), error.mean()[None]))


def test_kappa_and_its_thresholds_are_those_computed_by_hand() -> None:
    network, retain, forget = make_network(), some_samples(37), some_samples(11, seed=1)
    g_r, g_f = by_hand(network, retain), by_hand(network, forget)
    scale = (g_r.norm() * g_f.norm()).item()

    measured = reconciliation(network, retain, forget, recipe, quota=HALF)

    assert measured.kappa == pytest.approx((g_r @ g_f).item())
    assert measured.cosine == pytest.approx((g_r @ g_f).item() / scale)
    assert measured.angle == pytest.approx(math.degrees(math.acos((g_r @ g_f).item() / scale)))
    assert measured.kappa1 == pytest.approx(-scale / 2)
    assert measured.kappa2 == pytest.approx(scale * math.sqrt(3) / 2)
    assert measured.block_cosines["weight"] == pytest.approx(
        torch.cosine_similarity(g_r[:5], g_f[:5], dim=0).item()
    )
    assert (measured.kappa_error, measured.cosine_error) == (0.0, 0.0)


def test_forgetting_what_is_also_kept_is_sure_to_do_harm() -> None:
    same = some_samples(40)

    measured = reconciliation(make_network(), same, same, recipe, quota=HALF)

    assert measured.cosine == pytest.approx(1.0)
    assert measured.kappa > measured.kappa2
    assert (measured.blocks_direct, measured.blocks_degrading) == (0.0, 1.0)
    assert measured.predicted_harm == pytest.approx(HALF)  # sin(φ − θ) at θ = 0


def test_opposed_gradients_are_the_easiest_case() -> None:
    network = make_network()
    retain = some_samples(40)
    mirrored = some_samples(40, target=lambda x: 2 * network(x).detach().squeeze(1) - x.sum(dim=1))

    measured = reconciliation(network, retain, mirrored, recipe, quota=HALF)

    assert measured.cosine == pytest.approx(-1.0)
    assert measured.kappa < measured.kappa1
    assert (measured.blocks_direct, measured.blocks_degrading) == (1.0, 0.0)
    assert measured.predicted_harm == pytest.approx(-1.0)


def test_norms_of_noisy_pieces_are_not_biased_upwards() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.full((50,), 0.1, dtype=torch.float64)  # ‖g‖² = 0.5, noise of a piece 50
    draws = truth + torch.randn(4000, 8, 50, generator=generator, dtype=torch.float64)
    products = draws @ draws.transpose(1, 2)

    unbiased = squared_norm(products, 1.0)
    naive = products.mean(dim=(1, 2))

    assert unbiased.mean().item() == pytest.approx(0.5, abs=4 * unbiased.std().item() / 4000**0.5)
    assert naive.mean().item() > 6


@given(st.integers(2, 6), st.integers(0, 10_000))
def test_the_unbiased_norm_is_the_mean_product_of_different_pieces(pieces: int, seed: int) -> None:
    rows = torch.randn(
        pieces, 7, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    products = rows @ rows.T
    apart = [products[h, k] for h in range(pieces) for k in range(pieces) if h != k]

    unbiased = squared_norm(products[None], 1.0)

    torch.testing.assert_close(unbiased[0], torch.stack(apart).mean())


def test_the_standard_error_is_about_as_large_as_the_errors_made() -> None:
    network = make_network()
    retain = some_samples(4000, target=lambda x: x.sum(dim=1) + 3 * torch.sin(9 * x[:, 0]))
    forget = some_samples(60, seed=1)
    exact = reconciliation(network, retain, forget, recipe)
    generator = torch.Generator().manual_seed(0)

    ratios, of_blocks = [], list[float]()
    for _ in range(60):
        drawn = retain.take(torch.randperm(len(retain), generator=generator)[:160])
        measured = reconciliation(network, drawn, forget, recipe, unseen=(0.96, 0.0))
        ratios.append((measured.kappa - exact.kappa) / measured.kappa_error)
        of_blocks += [
            (measured.block_kappas[name] - kappa) / measured.block_kappa_errors[name]
            for name, kappa in exact.block_kappas.items()
        ]

    # The root mean square of 60 such ratios is 1 ± 0.1 for normal errors; the jackknife's own
    # noise with eight pieces widens them by the factor √(7/5) of Student's t.
    for found in (ratios, of_blocks):
        assert 0.8 < torch.tensor(found).square().mean().sqrt().item() < 1.6
    assert sum(exact.block_kappas.values()) == pytest.approx(exact.kappa)


def test_a_gradient_lost_in_noise_has_no_cosine() -> None:
    products = torch.eye(4, dtype=torch.float64)[None]  # pieces that have nothing in common

    triple = inner_products(Grams(products, 2, (1.0, 1.0)))

    assert triple.tolist() == [[0.0, 0.0, 0.0]]


def test_the_network_is_left_as_it_was() -> None:
    network = make_network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}

    reconciliation(network, some_samples(20), some_samples(5), recipe)

    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("retain", "forget", "quota", "message"),
    [
        pytest.param(0, 5, HALF, "both sides", id="nothing to keep"),
        pytest.param(5, 0, HALF, "both sides", id="nothing to forget"),
        pytest.param(5, 5, 1.0, "between 0 and 1", id="impossible quota"),
    ],
)
def test_bad_input_is_refused(retain: int, forget: int, quota: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reconciliation(
            make_network(), some_samples(retain), some_samples(forget), recipe, quota=quota
        )


def test_a_gradient_that_is_not_finite_is_refused() -> None:
    broken = make_samples(torch.full((5, 5), torch.nan, dtype=torch.float64), torch.zeros(5))

    with pytest.raises(ValueError, match="not finite"):
        reconciliation(make_network(), some_samples(5), broken, recipe)


def test_a_network_that_cannot_move_is_refused() -> None:
    frozen = make_network().requires_grad_(False)

    with pytest.raises(ValueError, match="is frozen"):
        reconciliation(frozen, some_samples(5), some_samples(5), recipe)


def test_large_pieces_are_read_in_batches_to_the_same_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = nn.Linear(5, 1).double()
    sides = some_samples(90, seed=1), some_samples(70, seed=2)
    whole = reconciliation(network, *sides, recipe)

    monkeypatch.setattr("models.hardness.reconciliation.BATCH", 4)
    in_batches = reconciliation(network, *sides, recipe)

    assert in_batches.kappa == pytest.approx(whole.kappa, rel=1e-5)
    assert in_batches.kappa_error == pytest.approx(whole.kappa_error, rel=1e-4)


def test_products_are_the_same_a_few_columns_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(torch.randn(5, 2, 50, generator=torch.Generator().manual_seed(0)))
    whole = gram(rows)

    monkeypatch.setattr("models.hardness.reconciliation.COLUMNS", 7)

    torch.testing.assert_close(gram(rows), whole)
    flat = torch.stack(rows).flatten(1).double()
    torch.testing.assert_close(whole, flat @ flat.T)


@pytest.mark.parametrize(("weights", "pieces"), [(10**6, 8), (30 * 10**6, 4), (10**9, 2)])
def test_large_networks_are_measured_by_fewer_pieces(weights: int, pieces: int) -> None:
    parameter = torch.empty(weights, device="meta")

    assert affordable_pieces([parameter]) == pieces
