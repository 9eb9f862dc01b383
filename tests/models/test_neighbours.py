from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from models.auditing.neighbours import (
    Exposure,
    Neighbours,
    Speaker,
    alike,
    by_person,
    nearest,
    neighbours,
    parted,
)
from models.auditing.signals import listen
from models.data import Split
from models.training import evaluate
from tests.models import blobs

FORGOTTEN = 16


def speaker(network: nn.Module, split: Split) -> Speaker:
    said = listen(network, {"validation": split.validation}, blobs.recipe)
    return Speaker(network, said["validation"])


def found(after: nn.Module, split: Split) -> Neighbours | None:
    return neighbours(
        speaker(blobs.trained(), split),
        {"served": speaker(after, split)},
        split,
        blobs.recipe,
        seed=0,
        confidence=0.9,
    )


def loss_of(told: Neighbours) -> Exposure:
    return next(one for one in told.exposures if one.attack == "loss")


def exposed(split: Split) -> nn.Module:
    """The neighbours learnt by heart, and the others' losses held where they were."""
    before = blobs.trained()
    lie, theirs = (
        evaluate(before, samples, blobs.recipe.embeddings)
        for samples in (split.forget, split.retain)
    )
    places = nearest(lie, theirs, split.forget.strata, split.retain.strata)
    close, rest = map(split.retain.take, parted(split.retain.strata, places))
    after = deepcopy(before).eval()
    held = blobs.recipe.losses(before, rest.batch).detach()
    optimizer = torch.optim.Adam(after.parameters(), lr=1e-3)
    for _ in range(150):
        pull = blobs.recipe.losses(after, close.batch).mean()
        hold = (blobs.recipe.losses(after, rest.batch) - held).square().mean()
        optimizer.zero_grad()
        (pull + 20 * hold).backward()
        optimizer.step()
    return after


def test_neighbours_are_the_nearest_of_their_own_stratum() -> None:
    kept = torch.tensor([[0.0], [1.0], [2.0], [0.1]])

    places = nearest(
        torch.tensor([[0.0]]), kept, torch.tensor([7]), torch.tensor([7, 7, 7, 8]), most=2
    )

    assert places.tolist() == [0, 1]


def test_an_untouched_network_exposes_nobody() -> None:
    told = found(blobs.trained(), blobs.make_split(FORGOTTEN))

    assert told is not None
    assert loss_of(told).before == loss_of(told).after
    assert loss_of(told).excess.estimate == 0


def test_neighbours_that_are_learnt_by_heart_are_seen_beside_the_others() -> None:
    split = blobs.make_split(FORGOTTEN)

    told = found(exposed(split), split)

    assert told is not None
    assert loss_of(told).change.estimate > 0
    assert loss_of(told).excess.low > 0


def test_too_few_people_say_nothing() -> None:
    split = blobs.make_split(FORGOTTEN)
    one = replace(split.retain, subjects=("ada",) * len(split.retain))

    assert found(blobs.trained(), replace(split, retain=one)) is None


def test_where_a_whole_class_is_forgotten_nothing_is_said_of_its_neighbours() -> None:
    split = blobs.make_split(FORGOTTEN)
    kept = ~torch.isin(split.retain.strata, split.forget.strata.unique())

    assert found(blobs.trained(), replace(split, retain=split.retain.take(kept))) is None


def test_people_who_err_with_all_their_samples_weigh_as_people() -> None:
    alone = np.array([1.0, -1.0, 1.0, -1.0]) / 4

    assert by_person(alone, ("a", "b", "c", "d")) == pytest.approx(4 / 3 * 4 / 16)
    assert by_person(np.sort(alone), ("a", "a", "b", "b")) == pytest.approx(2 * 2 * 0.5**2)


@given(st.lists(st.integers(0, 2), min_size=1), st.lists(st.integers(0, 2), min_size=1))
def test_weights_give_strata_their_wanted_shares(have: list[int], extra: list[int]) -> None:
    strata, wanted = np.array(have), np.array([have[place % len(have)] for place in extra])

    weights = alike(strata, wanted)

    for kind in set(have):
        assert weights[strata == kind].sum() == pytest.approx((wanted == kind).mean())
