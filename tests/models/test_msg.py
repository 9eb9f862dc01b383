import copy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from models.progress import silent
from models.unlearning.msg import draw_anew, msg, smallest, triangle, weighted_layers
from tests.models.blobs import (
    CLASSES,
    WIDTH,
    make_split,
    recipe,
    trained,
)


@pytest.fixture
def network() -> nn.Module:
    return trained()


def test_msg_draws_the_weights_with_the_smallest_gradients_anew(network: nn.Module) -> None:
    student = copy.deepcopy(network)
    layers = weighted_layers(student)
    masks = smallest([torch.rand_like(layer.weight) for layer in layers], 0.3)

    draw_anew(layers, masks)

    before = [layer.weight for layer in weighted_layers(network)]
    for layer, mask, old in zip(layers, masks, before, strict=True):
        assert bool(((layer.weight != old) == mask).all())
    total = sum(mask.numel() for mask in masks)
    assert sum(int(mask.sum()) for mask in masks) == round(0.3 * total)


def test_msg_ranks_by_absolute_size() -> None:
    masks = smallest([torch.tensor([-0.1, 5.0]), torch.tensor([-7.0, 0.2])], 0.5)

    assert [mask.tolist() for mask in masks] == [[True, False], [False, True]]


def test_msg_leaves_no_hook_behind(network: nn.Module) -> None:
    done = msg(network, make_split(), recipe, epochs=1, seed=0, progress=silent).network
    split = make_split()

    done.zero_grad()
    recipe.losses(done, split.retain.batch).mean().backward()
    hooked = [layer.weight.grad for layer in weighted_layers(done)]
    clean = copy.deepcopy(done)
    clean.zero_grad()
    recipe.losses(clean, split.retain.batch).mean().backward()

    for with_hook, without in zip(hooked, weighted_layers(clean), strict=True):
        assert with_hook is not None
        torch.testing.assert_close(with_hook, without.weight.grad)


def test_msgs_rate_rises_then_falls_to_zero() -> None:
    factor = triangle(10, 0.2)

    assert [factor(step) for step in (0, 1, 2, 6, 10)] == [0.5, 1.0, 1.0, 0.5, 0.0]


def test_msg_needs_a_layer_to_reset() -> None:
    flat = nn.BatchNorm1d(WIDTH)

    with pytest.raises(ValueError, match="there are none"):
        msg(flat, make_split(), recipe, seed=0, progress=silent)


def test_a_weight_that_is_computed_from_others_is_not_one_to_reset() -> None:
    normed, own = weight_norm(nn.Linear(WIDTH, CLASSES)), nn.Linear(4, 2)

    assert weighted_layers(nn.Sequential(normed, own)) == [own]
    with pytest.raises(ValueError, match="there are none that can be"):
        msg(normed, make_split(), recipe, seed=0, progress=silent)


def test_a_weight_that_two_layers_share_is_counted_once() -> None:
    one, two, own = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)
    two.weight = one.weight

    layers = weighted_layers(nn.Sequential(one, two, own))

    assert layers == [one, own]
