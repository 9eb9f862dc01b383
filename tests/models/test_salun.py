from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor, nn

from models.batch_losses import movable
from models.data import Batch, leaves
from models.progress import silent
from models.unlearning.descent import descent
from models.unlearning.gradients import saved
from models.unlearning.salun import hold, relabelled, salient, salun
from tests.models.blobs import blobs, make_split, recipe, same_state, trained


@pytest.fixture
def network() -> nn.Module:
    return trained()


def test_only_weights_move_on_which_the_forget_sets_loss_leans_most(network: nn.Module) -> None:
    split = make_split()
    loss = recipe.losses(network, split.forget.batch).sum()
    slopes = torch.cat([g.flatten() for g in torch.autograd.grad(loss, movable(network))]).abs()

    done = salun(network, split, recipe, saliency=0.1, seed=0, progress=silent).network

    pairs = zip(done.parameters(), network.parameters(), strict=True)
    moved = torch.cat([(after != before).flatten() for after, before in pairs])
    least = slopes.sort(descending=True).values[round(0.1 * len(slopes)) - 1].item()
    assert slopes[moved].min().item() >= 0.999 * least  # sums of batches round otherwise


def test_labels_are_drawn_anew_in_every_epoch(network: nn.Module) -> None:
    split = make_split()
    learnt: list[dict[tuple[float, ...], int]] = []

    class Watching(type(recipe)):  # type: ignore[misc]
        """Notes the labels that the forget set is said to have."""

        def losses(self, network: nn.Module, batch: Batch) -> Tensor:
            inputs, labels = leaves(batch)
            if len(labels) == len(split.forget):
                learnt.append(dict(zip(map(tuple, inputs.tolist()), labels.tolist(), strict=True)))
            return super().losses(network, batch)

    watching = Watching(**{each.name: getattr(recipe, each.name) for each in fields(recipe)})

    salun(network, split, watching, epochs=2, seed=0, progress=silent)

    true, first, second = learnt  # the first time for the mask
    assert true.keys() == first.keys() == second.keys()
    assert true != first != second != true


@pytest.mark.parametrize("saliency", [0.1, 0.5])
def test_weights_outside_saluns_mask_stay_bit_for_bit(saliency: float, network: nn.Module) -> None:
    done = salun(network, make_split(), recipe, saliency=saliency, seed=0, progress=silent)

    pairs = list(zip(done.network.parameters(), network.parameters(), strict=True))
    moved = sum(int((after != before).sum()) for after, before in pairs)
    total = sum(before.numel() for _, before in pairs)
    assert 0.9 * saliency * total < moved <= round(saliency * total)


def test_weights_that_were_put_back_keep_no_momentum(network: nn.Module) -> None:
    way = descent(network, rate=0.1)
    parameters = movable(way.network)
    masks = [torch.zeros_like(parameter, dtype=torch.bool) for parameter in parameters]
    way.step(recipe.losses(way.network, make_split().forget.batch).mean(), samples=16)
    assert way.optimizer.state[parameters[0]]["momentum_buffer"].abs().max() > 0

    hold(way, parameters, saved(movable(network)), masks)

    assert same_state(way.network, network)
    assert all(way.optimizer.state[p]["momentum_buffer"].abs().max() == 0 for p in parameters)


def test_saluns_mask_keeps_the_largest_gradients_of_the_whole_network() -> None:
    gradients = [torch.tensor([[-9.0, 1.0]]), torch.tensor([0.5, 3.0])]

    masks = salient(gradients, 0.5)

    assert [mask.tolist() for mask in masks] == [[[True, False]], [False, True]]


def test_equal_gradients_do_not_change_how_many_weights_may_move() -> None:
    masks = salient([torch.zeros(6), torch.zeros(4)], 0.5)

    assert sum(int(mask.sum()) for mask in masks) == 5


def test_random_labels_are_drawn_evenly_from_all_classes() -> None:
    forget = blobs(4000, seed=0, name="x")

    labels = leaves(relabelled(forget, 7, generator=torch.Generator().manual_seed(0)).batch)[1]

    # Each count is 571 ± 22.
    assert torch.bincount(labels, minlength=7).sub(4000 / 7).abs().max() < 90


def test_salun_refuses_batches_without_integer_labels(network: nn.Module) -> None:
    split = make_split()
    inputs, labels = leaves(split.forget.batch)
    soft = replace(split.forget, batch=(inputs, labels.float()))

    with pytest.raises(ValueError, match="int64 labels"):
        salun(network, replace(split, forget=soft), recipe, seed=0, progress=silent)
