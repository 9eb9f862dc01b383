"""What α multiplies in ∇τ, and what it is held against: closed forms, and τ by hand."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.data import Split
from models.training import evaluate
from models.unlearning.nabla_tau import forget_term
from models.unlearning.nabla_tau_run import validation_levels
from tests.models.nabla_tau_oracle import mean_loss, recipe, split_of, trained

values = st.floats(1e-3, 1e3)
lists = st.lists(st.tuples(values, values), min_size=1, max_size=9)
either = st.booleans()


def tensors(drawn: list[tuple[float, float]]) -> tuple[Tensor, Tensor]:
    """Losses, which have a gradient, and the level of each."""
    losses, levels = torch.tensor(drawn, dtype=torch.float64).unbind(dim=1)
    return losses.clone().requires_grad_(), levels.clone()


def close(value: Tensor, due: float) -> None:
    assert value.item() == pytest.approx(due, rel=1e-9, abs=1e-12)


@given(lists, either)
def test_the_published_term_is_the_squared_gap_of_the_means_and_one_sided(
    drawn: list[tuple[float, float]], two_sided: bool
) -> None:
    losses, levels = tensors(drawn)
    gap = sum(level - loss for loss, level in drawn) / len(drawn)
    gap = gap if two_sided else max(gap, 0.0)

    term = forget_term(losses, levels, two_sided=two_sided)
    (slope,) = torch.autograd.grad(term, losses)

    close(term, gap**2)
    assert slope.tolist() == pytest.approx([-2 * gap / len(drawn)] * len(drawn), rel=1e-9, abs=1e-9)


@given(lists, either)
def test_the_term_per_sample_is_the_mean_of_linear_gaps(
    drawn: list[tuple[float, float]], two_sided: bool
) -> None:
    losses, levels = tensors(drawn)
    gaps = [level - loss for loss, level in drawn]

    term = forget_term(losses, levels, per_sample=True, two_sided=two_sided)

    close(term, sum(abs(gap) if two_sided else max(gap, 0.0) for gap in gaps) / len(gaps))


@given(lists, either)
def test_the_scale_free_term_is_tau_times_the_squared_share_that_is_missing(
    drawn: list[tuple[float, float]], two_sided: bool
) -> None:
    losses, levels = tensors(drawn)
    loss, level = losses.mean().item(), levels.mean().item()
    missing = 1 - loss / level

    term = forget_term(losses, levels, scale_free=True, two_sided=two_sided)

    close(term, level * (missing if two_sided else max(missing, 0.0)) ** 2)


@given(lists, either)
def test_the_scale_free_term_per_sample_is_the_mean_of_these(
    drawn: list[tuple[float, float]], two_sided: bool
) -> None:
    losses, levels = tensors(drawn)
    parts = [
        level * ((1 - loss / level) if two_sided else max(1 - loss / level, 0.0)) ** 2
        for loss, level in drawn
    ]

    term = forget_term(losses, levels, per_sample=True, scale_free=True, two_sided=two_sided)

    close(term, sum(parts) / len(parts))


@given(lists, st.floats(0.01, 100), either)
def test_losses_in_another_unit_scale_the_scale_free_term_alike_and_the_published_one_twice(
    drawn: list[tuple[float, float]], unit: float, per_sample: bool
) -> None:
    losses, levels = tensors(drawn)

    free, other = (
        forget_term(scale * losses, scale * levels, per_sample=per_sample, scale_free=True)
        for scale in (1.0, unit)
    )
    published, squared = (forget_term(scale * losses, scale * levels) for scale in (1.0, unit))

    close(other, unit * free.item())
    close(squared, unit**2 * published.item())


@given(st.lists(values, min_size=1, max_size=9), either)
def test_at_a_tau_of_one_the_scale_free_term_is_the_published_one(
    drawn: list[float], two_sided: bool
) -> None:
    losses, levels = torch.tensor(drawn, dtype=torch.float64), torch.ones(len(drawn)).double()

    free = forget_term(losses, levels, two_sided=two_sided, scale_free=True)

    close(free, forget_term(losses, levels, two_sided=two_sided).item())


def levels_of(split: Split, *, class_matched: bool) -> Tensor:
    return validation_levels(trained(), split, recipe, class_matched=class_matched)


def test_tau_is_the_mean_validation_loss_for_every_sample_and_carries_no_gradient() -> None:
    split = split_of(16)

    levels = levels_of(split, class_matched=False)

    due = mean_loss(trained(), split.validation.batch).item()
    assert levels.tolist() == pytest.approx([due] * 16, rel=1e-12)
    assert not levels.requires_grad


@pytest.mark.parametrize("missing", [None, 1], ids=["all classes", "one is never held out"])
def test_a_class_matched_tau_weighs_classes_as_the_forget_set_does(missing: int | None) -> None:
    split = split_of(64)
    strata = split.forget.strata
    skewed = torch.cat([(strata == 0).nonzero()[:9], (strata == 1).nonzero()[:3]]).flatten()
    seen = split.validation.strata != (-1 if missing is None else missing)
    split = replace(split, forget=split.forget.take(skewed), validation=split.validation.take(seen))
    losses = evaluate(trained(), split.validation, recipe.losses).tolist()
    classes = split.validation.strata.tolist()
    of_class = {
        number: [loss for loss, own in zip(losses, classes, strict=True) if own == number]
        for number in (0, 1)
    }
    first, second = (sum(own or losses) / len(own or losses) for own in of_class.values())

    levels = levels_of(split, class_matched=True)

    due = (9 * first + 3 * second) / 12
    assert levels.tolist() == pytest.approx([due] * 12, rel=1e-9)
    assert not levels.requires_grad
    assert levels[0] != levels_of(split, class_matched=False)[0]
