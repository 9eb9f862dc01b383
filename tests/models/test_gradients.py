from typing import Any

import torch
from torch import Tensor, nn

from models.unlearning.gradients import gradient, own_gradient


class Kept(torch.autograd.Function):
    """An operation that hands out, as its gradient, what it goes on using."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, factor: Tensor) -> Tensor:
        ctx.factor = factor
        return (weight * factor).sum()

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        return ctx.factor, None


kept: Any = Kept.apply


def test_what_an_operation_keeps_may_not_be_changed_through_a_gradient_of_ones_own() -> None:
    weight, factor = torch.ones(3, requires_grad=True), torch.tensor([1.0, 2.0, 3.0])

    (own,) = own_gradient(kept(weight, factor), [weight])
    own.zero_()

    assert factor.tolist() == [1.0, 2.0, 3.0]
    assert weight.grad is None


def test_two_parameters_do_not_share_gradients_of_their_own() -> None:
    left, right = (torch.ones(3, requires_grad=True) for _ in range(2))

    first, second = own_gradient((left + right).square().sum(), [left, right])
    first.zero_()

    assert second.tolist() == [4.0] * 3


def test_both_kinds_are_the_same_and_nought_where_nothing_depends_on_a_parameter() -> None:
    torch.manual_seed(0)
    network, unused = nn.Linear(5, 3), torch.ones(2, requires_grad=True)
    parameters = [*network.parameters(), unused]
    inputs = torch.randn(4, 5)

    found, own = (
        kind(network(inputs).square().sum(), parameters, autocast=torch.float16)
        for kind in (gradient, own_gradient)
    )

    assert all(torch.equal(*pair) for pair in zip(found, own, strict=True))
    assert own[-1].tolist() == [0.0, 0.0]
