from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from models.diverged import Diverged
from models.unlearning.blocks import Blocks, lay_out, let_go, move, put, triples
from models.unlearning.hamu_step import capacity, plan
from models.unlearning.metric import Metric, curvature_of, precondition
from models.unlearning.pieces import CHUNK, TILE

# Less than a chunk, one number, across chunks; then one that is used where it is, in two pieces.
SHAPES: list[tuple[int, ...]] = [(3, 5), (), (300,), (2, 16, 16), (TILE + 3, CHUNK), (7,)]


def tensors(seed: int, shapes: list[tuple[int, ...]] = SHAPES) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def filled(
    shapes: list[tuple[int, ...]] = SHAPES,
) -> tuple[Blocks, list[Tensor], list[Tensor]]:
    """Weights, and a retain and a forget gradient for them."""
    blocks, retain, forget = (lay_out(tensors(0, shapes)), tensors(1, shapes), tensors(2, shapes))
    forget = [own + 0.5 * other for own, other in zip(forget, retain, strict=True)]
    put(blocks, *([part.clone() for part in parts] for parts in (retain, forget)))
    return blocks, retain, forget


def as_tensors(blocks: Blocks, rows: Tensor) -> list[Tensor]:
    """What lies in rows like those of the weights, one tensor for each parameter."""
    before = blocks.weights.clone()
    blocks.weights.copy_(rows)
    found = [view.clone() for view in blocks.weight_views]
    blocks.weights.copy_(before)
    return found


def gradients(blocks: Blocks) -> tuple[list[Tensor], list[Tensor]]:
    """Both, as they are now."""
    retain, forget = (
        torch.cat([getattr(piece, name) for piece in blocks.pieces])
        for name in ("retain", "forget")
    )
    return as_tensors(blocks, retain), as_tensors(blocks, forget)


def inner(left: list[Tensor], right: list[Tensor]) -> float:
    return sum(float((a.double() * b.double()).sum()) for a, b in zip(left, right, strict=True))


def test_triples_are_the_inner_products_of_each_tensor() -> None:
    blocks, retain, forget = filled()

    found = triples(blocks)

    for row, own, other in zip(found, retain, forget, strict=True):
        exact = [inner([a], [b]) for a, b in ((own, own), (other, other), (own, other))]
        assert row.tolist() == pytest.approx(exact, rel=1e-6, abs=1e-6 * max(exact))


def test_weights_move_by_each_blocks_own_coefficients() -> None:
    blocks, retain, forget = filled()
    by_retain, by_forget = np.linspace(-1, 0, len(SHAPES)), np.linspace(0, 2, len(SHAPES))

    move(blocks, by_retain=by_retain, by_forget=by_forget)

    for place, start in enumerate(tensors(0)):
        expected = start + by_retain[place] * retain[place] + by_forget[place] * forget[place]
        torch.testing.assert_close(blocks.parameters[place], expected)


def test_half_precision_weights_remember_steps_too_small_for_them() -> None:
    parameter = torch.ones(4, dtype=torch.bfloat16)
    blocks = lay_out([parameter])

    for _ in range(64):  # each is an eighth of the distance to the next number up
        put(blocks, [torch.ones(4)], [torch.zeros(4)])
        move(blocks, by_retain=np.array([2.0**-10]), by_forget=np.zeros(1))

    assert parameter.tolist() == [1 + 2.0**-4] * 4


def test_a_parameter_in_another_memory_layout_keeps_it_and_moves() -> None:
    parameter = torch.ones(2, 3, 4, 4).to(memory_format=torch.channels_last)
    blocks = lay_out([parameter])
    put(blocks, [torch.ones(2, 3, 4, 4)], [torch.zeros(2, 3, 4, 4)])

    move(blocks, by_retain=np.array([-0.5]), by_forget=np.zeros(1))

    assert parameter.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(parameter, torch.full((2, 3, 4, 4), 0.5))


def test_parameters_that_are_let_go_have_memory_of_their_own() -> None:
    parameters = tensors(0)
    blocks = lay_out(parameters)
    assert parameters[0].untyped_storage().data_ptr() == blocks.weights.untyped_storage().data_ptr()

    let_go(blocks)
    blocks.weights.zero_()

    for parameter, before in zip(parameters, tensors(0), strict=True):
        assert torch.equal(parameter, before)
        assert parameter.untyped_storage().nbytes() == parameter.nbytes


def test_a_large_gradient_is_used_where_it_is_and_small_ones_are_copied_together() -> None:
    blocks = lay_out(tensors(0))
    retain, forget = tensors(1), tensors(2)

    put(blocks, retain, forget)

    bounds = [0, 6, 6 + TILE, 9 + TILE, 10 + TILE]
    assert [piece.rows for piece in blocks.pieces] == [slice(*pair) for pair in pairwise(bounds)]
    assert blocks.pieces[1].retain.data_ptr() == retain[4].data_ptr()
    assert blocks.pieces[1].forget.data_ptr() == forget[4].data_ptr()
    assert blocks.slopes.shape == (2, 7, CHUNK)


def test_a_gradient_in_another_memory_layout_is_used_as_if_it_were_in_the_usual_one() -> None:
    shapes: list[tuple[int, ...]] = [(TILE, CHUNK)]
    blocks, (retain,) = lay_out(tensors(0, shapes)), tensors(1, shapes)

    put(blocks, [retain.t().contiguous().t()], [retain])

    assert all(torch.equal(found[0], retain) for found in gradients(blocks))


@pytest.mark.parametrize("place", [3, 4])
def test_a_gradient_that_is_not_a_number_is_found_wherever_it_is(place: int) -> None:
    blocks = lay_out(tensors(0))
    retain, forget = tensors(1), tensors(2)
    forget[place].view(-1)[100] = torch.nan
    put(blocks, retain, forget)

    with pytest.raises(Diverged, match="gradient is not finite"):
        triples(blocks)


def test_parameters_on_several_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="several devices"):
        lay_out([torch.ones(2), torch.ones(2, device="meta")])


@pytest.mark.parametrize("metric", list(Metric))
def test_quota_and_radius_hold_exactly_in_every_metric(metric: Metric) -> None:
    shapes = SHAPES[2:]  # a block of one number has no angle but 0 and π
    blocks, retain, forget = filled(shapes)
    curvature = curvature_of(blocks, metric, decay=0.9)
    curvature.mean_square.copy_(torch.rand_like(curvature.mean_square))
    curvature.weight = 0.5

    root = precondition(blocks, curvature)
    made = plan(triples(blocks), rate=0.1, share=0.6)
    move(blocks, by_retain=made.retain, by_forget=made.forget, root=root)
    step = [end - start for end, start in zip(blocks.parameters, tensors(0, shapes), strict=True)]

    assert not made.direct.any()
    assert inner(forget, step) == pytest.approx(made.forget_gain, rel=1e-6)
    assert inner(retain, step) == pytest.approx(made.retain_change, rel=1e-6)
    assert made.forget_gain == pytest.approx(0.6 * 0.1 * made.capacity, rel=1e-6)
    if root is not None:
        roots = as_tensors(blocks, root)
        scaled_step = [d / r for d, r in zip(step, roots, strict=True)]
        scaled_slope = [g * r for g, r in zip(retain, roots, strict=True)]
        assert inner(scaled_step, scaled_step) == pytest.approx(
            0.01 * inner(scaled_slope, scaled_slope), rel=1e-6
        )


def test_adams_metric_is_the_root_of_the_mean_square_and_fishers_the_mean_square() -> None:
    for metric, power in ((Metric.ADAM, 1.0), (Metric.FISHER, 2.0)):
        blocks, retain, _ = filled()

        root = precondition(blocks, curvature_of(blocks, metric, decay=0.9))

        assert root is not None
        mean = float(sum(g.abs().pow(power).sum() for g in retain)) / blocks.size
        expected = [g * (g.abs().pow(power) + 0.01 * mean).rsqrt() for g in retain]
        for found, scaled in zip(gradients(blocks)[0], expected, strict=True):
            torch.testing.assert_close(found, scaled)


def test_a_retain_set_without_a_gradient_leaves_the_metric_finite() -> None:
    blocks, _, forget = filled()
    for piece in blocks.pieces:
        piece.retain.zero_()

    precondition(blocks, curvature_of(blocks, Metric.ADAM, decay=0.9))

    assert capacity(triples(blocks)) == 0.0
    for found, own in zip(gradients(blocks)[1], forget, strict=True):
        assert torch.equal(found, own)


@pytest.mark.parametrize(("metric", "size"), [(Metric.ADAM, 1 / 1.01), (Metric.FISHER, 1.01**-0.5)])
def test_where_the_metric_is_the_identity_the_step_is_the_plain_one(
    metric: Metric, size: float
) -> None:
    """Retain gradients that are all of one size, at which M and its damping add up to one."""
    moved: list[list[Tensor]] = []
    for each in (Metric.PLAIN, metric):
        blocks, retain, forget = filled()
        put(blocks, [size * part.sign() for part in retain], [part.clone() for part in forget])
        root = precondition(blocks, curvature_of(blocks, each, decay=0.9))
        made = plan(triples(blocks), rate=0.1, share=0.6)
        move(blocks, by_retain=made.retain, by_forget=made.forget, root=root)
        moved.append(blocks.parameters)

    for plain, own, start in zip(*moved, tensors(0), strict=True):
        assert not torch.equal(plain, start)
        torch.testing.assert_close(own, plain, rtol=1e-5, atol=1e-6)
