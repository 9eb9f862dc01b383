from copy import deepcopy
from dataclasses import fields, replace
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from models.data import Batch, Split
from models.diverged import Diverged
from models.progress import silent
from models.training import evaluate
from models.unlearning.distil import distil, divergence
from models.unlearning.logits import class_logits
from tests.models.blobs import CLASSES, make_split, recipe, same_state, trained


def numbers(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def predictions(network: nn.Module, split: Split) -> Tensor:
    return torch.softmax(evaluate(network, split.forget, class_logits), dim=1)


def distance(network: nn.Module, split: Split, due: Tensor) -> float:
    logits = evaluate(network, split.forget, class_logits).double()
    return divergence(due.double(), logits).item()


def sharper(due: Tensor, power: float) -> Tensor:
    """The distributions, surer (above one) or less sure (below one) than they were."""
    raised = due.clamp(min=1e-6) ** power
    return raised / raised.sum(dim=1, keepdim=True)


def test_the_gradient_of_a_linear_softmax_network_is_that_of_the_formula() -> None:
    inputs, weights = numbers(7, 3), numbers(3, 5, seed=1).requires_grad_()
    due = torch.softmax(numbers(7, 5, seed=2), dim=1)

    (slope,) = torch.autograd.grad(divergence(due, inputs @ weights), weights)

    generic = (due * (due / torch.softmax(inputs @ weights, dim=1)).log()).sum(dim=1).mean()
    (by_autograd,) = torch.autograd.grad(generic, weights)
    by_hand = inputs.T @ (torch.softmax(inputs @ weights, dim=1) - due) / len(inputs)
    torch.testing.assert_close(slope, by_autograd)
    torch.testing.assert_close(slope, by_hand)


def test_at_the_target_nothing_pulls() -> None:
    inputs, weights = numbers(7, 3), numbers(3, 5, seed=1).requires_grad_()
    due = torch.softmax(inputs @ weights, dim=1).detach()

    value = divergence(due, inputs @ weights)
    (slope,) = torch.autograd.grad(value, weights)

    assert value.item() == pytest.approx(0, abs=1e-12)
    assert slope.abs().max().item() < 1e-12


def test_a_class_that_is_ruled_out_makes_no_infinity() -> None:
    due = torch.tensor([[1.0, 0.0, 0.0]])

    value = divergence(due, torch.tensor([[2.0, 0.0, 0.0]]))

    assert value.item() == pytest.approx(-torch.log_softmax(torch.tensor([2.0, 0, 0]), 0)[0].item())


@pytest.mark.parametrize("power", [0.3, 3.0], ids=["less sure than it is", "surer than it is"])
def test_it_comes_to_its_target_from_both_sides(power: float) -> None:
    split = make_split()
    due = sharper(predictions(trained(), split), power)

    done = distil(trained(), split, recipe, targets=due, weight=5.0, seed=0, progress=silent)

    assert distance(done.network, split, due) < 0.2 * distance(trained(), split, due)
    assert done.trace.steps == 120
    assert done.trace.sample_passes == 120 * (len(split.forget) + len(split.retain))


def test_the_network_it_was_given_does_not_move() -> None:
    split, before = make_split(), deepcopy(trained())
    due = torch.full((len(split.forget), CLASSES), 1 / CLASSES)

    done = distil(trained(), split, recipe, targets=due, steps=3, seed=0, progress=silent)

    assert same_state(trained(), before)
    assert not same_state(done.network, before)


def test_one_seed_gives_one_network() -> None:
    split = make_split()
    due = torch.full((len(split.forget), CLASSES), 1 / CLASSES)
    run = partial(distil, targets=due, steps=5, batch_size=16, progress=silent)

    first, again, other = (run(trained(), split, recipe, seed=seed) for seed in (0, 0, 1))

    assert same_state(first.network, again.network)
    assert not same_state(first.network, other.network)


def test_targets_that_are_no_distributions_of_the_forget_set_are_refused() -> None:
    split = make_split()
    flat = torch.full((len(split.forget), CLASSES), 1 / CLASSES)
    run = partial(distil, trained(), split, recipe, seed=0, progress=silent)
    unknown = flat.clone()
    unknown[:2] = torch.nan

    with pytest.raises(ValueError, match=r"not \[F, C\] = \(16, 4\)"):
        run(targets=flat[1:])
    with pytest.raises(ValueError, match="2 samples are no distributions; a sample that every"):
        run(targets=unknown)
    with pytest.raises(ValueError, match="16 samples are no distributions"):
        run(targets=2 * flat)


def test_a_network_without_class_logits_is_refused() -> None:
    scalar = nn.Sequential(nn.Linear(8, 1), nn.Flatten(0))
    split = make_split()
    due = torch.full((len(split.forget), CLASSES), 1 / CLASSES)

    with pytest.raises(ValueError, match="not one row of logits per sample; pass `logits=`"):
        distil(scalar, split, recipe, targets=due, seed=0, progress=silent)


def test_an_empty_forget_set_is_refused() -> None:
    split = make_split()
    nobody = replace(split, forget=split.forget.take(torch.arange(0)))

    with pytest.raises(ValueError, match="the forget set is empty"):
        distil(trained(), nobody, recipe, targets=torch.empty(0, 4), seed=0, progress=silent)


def test_a_last_step_that_breaks_the_weights_is_seen() -> None:
    split = make_split()
    flat = torch.full((len(split.forget), CLASSES), 1 / CLASSES)

    class Broken(type(recipe)):  # type: ignore[misc]
        """Finite losses whose gradient is not."""

        def losses(self, network: nn.Module, batch: Batch) -> Tensor:
            each = super().losses(network, batch)
            return each + (each.detach() - each).clamp(min=0).sqrt()

    broken = Broken(**{field.name: getattr(recipe, field.name) for field in fields(recipe)})

    with pytest.raises(Diverged, match="not finite at the end"):
        distil(trained(), split, broken, targets=flat, steps=1, seed=0, progress=silent)
