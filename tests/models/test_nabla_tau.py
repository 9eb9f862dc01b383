"""∇τ against the algorithm written out, and the checks of section 2.7 of its notes."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from models.data import Split, leaves
from models.progress import silent
from models.recipe import Recipe
from models.recipes import careers, digits
from models.training import evaluate
from models.unlearning.contract import Stop, Unlearned
from models.unlearning.nabla_tau import nabla_tau
from tests.models.blobs import same_state
from tests.models.nabla_tau_oracle import (
    fine_tuned,
    gradient,
    mean_loss,
    nabla_tau_written_out,
    pairs,
    recipe,
    split_of,
    trained,
)

SEED = 3


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def unlearned(split: Split, **knobs: Any) -> Unlearned:
    return nabla_tau(trained(), split, recipe, seed=SEED, progress=silent, **knobs)


def one_step_gradient(split: Split, **knobs: Any) -> list[Tensor]:
    """The gradient of a single step over whole sets; at a rate of nought the weights stay."""
    done = unlearned(split, epochs=1, rate=0.0, **knobs)
    assert same_state(done.network, trained())
    return [parameter.grad for parameter in done.network.parameters() if parameter.grad is not None]


def by_loss() -> tuple[Tensor, Tensor]:
    """Places in the pool: the sixteen with the lowest losses, and with the highest."""
    losses = evaluate(trained(), split_of(0).retain, recipe.losses)
    order = losses.argsort()
    return order[:16], order[-16:]


def set_against(*, forget_above: bool) -> Split:
    """A split whose forget loss is above that of its validation set, or below."""
    pool = split_of(0).retain
    low, high = by_loss()
    forget, validation = (high, low) if forget_above else (low, high)
    rest = torch.ones(len(pool), dtype=torch.bool)
    rest[low] = rest[high] = False
    return Split(pool.take(forget), pool.take(rest), pool.take(validation))


def same_values(one: nn.Module, other: nn.Module) -> None:
    for made, due in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(made, due, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("preset", ["image", "text"])
@pytest.mark.parametrize("forget", [16, 40, 100])
def test_it_does_what_the_published_algorithm_does(preset: str, forget: int) -> None:
    split = split_of(forget)
    due = nabla_tau_written_out(split, preset=preset, size=16, seed=SEED)

    made = unlearned(split, preset=preset, batch_size=16)

    same_values(made.network, due.network)
    assert made.trace.columns["alpha"] == pytest.approx(due.alphas, rel=1e-12)
    assert made.trace.columns["tau"] == pytest.approx(due.taus, rel=1e-9)
    assert (made.trace.stop, made.trace.steps) == (Stop.BUDGET, len(due.alphas))


def test_a_forget_loss_above_tau_leaves_the_retain_gradient_exactly() -> None:
    split = set_against(forget_above=True)
    ((_, _, kept),) = pairs(split, size=256, epochs=1, seed=SEED)  # sums depend on their order

    made = one_step_gradient(split, alpha=0.5)

    for own, due in zip(made, gradient(trained(), split.retain.rows(kept)), strict=True):
        assert torch.equal(own, 0.5 * due)


@given(alpha=st.floats(0, 1))
@settings(max_examples=20)
def test_above_tau_alpha_only_weighs_the_retain_gradient(alpha: float) -> None:
    split = set_against(forget_above=True)

    made = one_step_gradient(split, alpha=alpha)

    for own, due in zip(made, gradient(trained(), split.retain.batch), strict=True):
        torch.testing.assert_close(own, (1 - alpha) * due, rtol=1e-9, atol=1e-14)


@given(alpha=st.floats(0, 1))
@settings(max_examples=20)
def test_below_tau_the_gradient_is_the_closed_form_with_a_tau_that_stands_still(
    alpha: float,
) -> None:
    split = set_against(forget_above=False)
    loss, tau = (
        mean_loss(trained(), part.batch).item() for part in (split.forget, split.validation)
    )

    made = one_step_gradient(split, alpha=alpha)

    up, down = (gradient(trained(), part.batch) for part in (split.forget, split.retain))
    assert tau > loss
    for own, forgotten, kept in zip(made, up, down, strict=True):
        due = -2 * alpha * (tau - loss) * forgotten + (1 - alpha) * kept
        torch.testing.assert_close(own, due, rtol=1e-9, atol=1e-12)


def test_above_tau_the_two_sided_form_pulls_the_forget_loss_down() -> None:
    split = set_against(forget_above=True)
    loss, tau = (
        mean_loss(trained(), part.batch).item() for part in (split.forget, split.validation)
    )

    made = one_step_gradient(split, alpha=1.0, two_sided=True)

    for own, due in zip(made, gradient(trained(), split.forget.batch), strict=True):
        torch.testing.assert_close(own, 2 * (loss - tau) * due, rtol=1e-9, atol=1e-12)


def test_below_tau_the_scale_free_form_pulls_by_the_share_that_is_missing() -> None:
    split = set_against(forget_above=False)
    loss, tau = (
        mean_loss(trained(), part.batch).item() for part in (split.forget, split.validation)
    )

    made = one_step_gradient(split, alpha=1.0, scale_free=True)

    for own, due in zip(made, gradient(trained(), split.forget.batch), strict=True):
        torch.testing.assert_close(own, -2 * (1 - loss / tau) * due, rtol=1e-9, atol=1e-12)


def test_a_class_matched_tau_is_what_the_forget_loss_is_pulled_to() -> None:
    split = set_against(forget_above=False)
    losses = evaluate(trained(), split.validation, recipe.losses)
    of_class = {
        each: losses[split.validation.strata == each].mean().item()
        for each in split.validation.strata.unique().tolist()
    }
    asked = split.forget.strata.tolist()
    tau = sum(of_class.get(each, losses.mean().item()) for each in asked) / len(asked)
    loss = mean_loss(trained(), split.forget.batch).item()

    made = one_step_gradient(split, alpha=1.0, class_matched=True)

    assert abs(tau - losses.mean().item()) > 0.01
    assert tau > loss
    for own, due in zip(made, gradient(trained(), split.forget.batch), strict=True):
        torch.testing.assert_close(own, -2 * (tau - loss) * due, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("forget", [16, 100])
def test_with_an_alpha_of_nought_it_is_fine_tuning_bit_for_bit(forget: int) -> None:
    split = split_of(forget)

    made = unlearned(split, alpha=0.0, epochs=4, batch_size=16)

    assert same_state(made.network, fine_tuned(split, size=16, epochs=4, seed=SEED))


@pytest.mark.parametrize("every", [1, 3, 5])
def test_tau_changes_only_in_every_so_many_forget_epochs(every: int) -> None:
    split = split_of(16)

    made = unlearned(split, epochs=7, batch_size=8, refresh_every=every, alpha=0.5)

    taus = made.trace.columns["tau"]
    changes = [step // 2 for step in range(1, len(taus)) if taus[step] != taus[step - 1]]
    assert len(taus) == 2 * 7
    assert changes == [epoch for epoch in range(1, 7) if epoch % every == 0]


def test_kept_batches_never_run_dry_where_more_is_forgotten_than_kept() -> None:
    split = split_of(100)  # of 128

    made = unlearned(split, epochs=3, batch_size=16)

    # Each sweep of what is kept is a full batch and one of twelve, seven batches to forget-epoch.
    kept = [16, 12, 16, 12, 16, 12, 16]
    assert made.trace.steps == 3 * 7
    assert made.trace.sample_passes == 3 * (100 + sum(kept))


@pytest.mark.parametrize("train_mode", [False, True])
def test_batch_statistics_move_in_training_mode_only(train_mode: bool) -> None:
    made = unlearned(split_of(16), epochs=2, batch_size=16, train_mode=train_mode)

    buffers = zip(made.network.buffers(), trained().buffers(), strict=True)
    moved = [not torch.equal(own, before) for own, before in buffers]
    assert moved == [train_mode] * 3
    assert not made.network.training


@pytest.mark.parametrize("recipe", [digits.recipe, careers.recipe], ids=lambda r: r.name)
def test_what_tau_is_taken_from_shares_nothing_with_other_samples(recipe: Recipe) -> None:
    pool, holdout = recipe.pool(), recipe.holdout()

    def contents(split: Any) -> set[tuple[float, ...]]:
        return {tuple(row.flatten().tolist()) for row in leaves(split.batch)[0]}

    for other in (pool, holdout.test):
        assert not set(holdout.validation.ids) & set(other.ids)
        assert not contents(holdout.validation) & contents(other)


@pytest.mark.parametrize("two_sided", [False, True])
def test_a_target_for_each_sample_pulls_that_sample(two_sided: bool) -> None:
    split = split_of(16)
    losses = evaluate(trained(), split.forget, recipe.losses)
    shift = torch.linspace(-1, 1, 16, dtype=torch.float64)  # half of them are above it already

    made = one_step_gradient(split, alpha=1.0, targets=losses + shift, two_sided=two_sided)

    pull = shift.sign() if two_sided else (shift > 0).double()
    graph = recipe.losses(trained(), split.forget.batch)
    due = torch.autograd.grad(-(pull * graph).mean(), list(trained().parameters()))
    for own, expected in zip(made, due, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-9, atol=1e-12)


def test_targets_stay_with_their_samples_however_these_are_shuffled() -> None:
    split = split_of(16)
    targets = torch.arange(16, dtype=torch.float64)

    made = unlearned(split, epochs=2, batch_size=4, targets=targets, rate=0.0)

    losses = evaluate(trained(), split.forget, recipe.losses)
    columns = made.trace.columns
    gaps = torch.tensor(columns["gap"]).reshape(2, 4).mean(dim=1)
    levels = torch.tensor(columns["tau"]).reshape(2, 4)
    assert levels.mean(dim=1).tolist() == pytest.approx([7.5, 7.5])
    assert gaps.tolist() == pytest.approx([7.5 - losses.mean().item()] * 2, rel=1e-5)
    assert not torch.equal(levels[0], levels[1])


def test_the_network_that_was_handed_in_is_left_alone_and_a_seed_repeats_the_run() -> None:
    before = {name: value.clone() for name, value in trained().state_dict().items()}

    first, second = (unlearned(split_of(16), batch_size=16, epochs=2) for _ in range(2))

    assert same_state(first.network, second.network)
    assert all(torch.equal(value, before[name]) for name, value in trained().state_dict().items())


def test_what_it_cannot_do_is_refused() -> None:
    split = split_of(16)
    low = torch.full((16,), -1.0)

    with pytest.raises(ValueError, match="divides by τ"):
        unlearned(split, scale_free=True, targets=low)
    with pytest.raises(ValueError, match="leave one sample by itself"):
        unlearned(split, train_mode=True, batch_size=15)
    with pytest.raises(ValueError, match="float16"):
        nabla_tau(deepcopy(trained()).half(), split, recipe, seed=0, progress=silent)
