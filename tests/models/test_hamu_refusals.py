import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from models.data import Split
from models.diverged import Diverged
from models.progress import silent
from models.unlearning.contract import Stop, Unlearned
from models.unlearning.hamu import hamu
from models.unlearning.hamu_run import FAILURES
from tests.models.blobs import make_split, recipe, same_state, trained
from tests.models.spoilt import spoilt


def forgotten(split: Split | None = None, **settings: Any) -> Unlearned:
    return hamu(trained(), split or make_split(), recipe, seed=0, progress=silent, **settings)


def test_an_absolute_quota_that_no_step_can_meet_stops_before_the_step() -> None:
    made = forgotten(metric="plain", quota=10.0)

    assert made.trace.stop is Stop.INFEASIBLE
    assert made.trace.columns["shortfall"][0] > 0
    assert "exceeds what the trust region allows" in made.trace.notes[0]
    assert same_state(made.network, trained())


def test_a_network_whose_loss_does_not_feel_its_weights_stops_for_want_of_a_gradient() -> None:
    first, last = nn.Linear(8, 4), nn.Linear(4, 4)
    nn.init.constant_(first.bias, -1e6)  # no unit of the first layer ever fires
    last.requires_grad_(False)

    made = hamu(
        nn.Sequential(first, nn.ReLU(), last),
        make_split(),
        recipe,
        seed=0,
        progress=silent,
        aim="ascent",
    )

    assert made.trace.stop is Stop.ZERO_GRADIENT


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_losses_that_are_not_finite_are_said_so_and_the_original_is_untouched(
    value: float,
) -> None:
    before = copy.deepcopy(trained())

    with pytest.raises(Diverged, match="not finite"):
        hamu(trained(), make_split(), spoilt(lambda own: own * value), seed=0, progress=silent)

    assert same_state(trained(), before)


def test_a_gradient_that_is_not_finite_is_said_so() -> None:
    spiked = spoilt(lambda own: own + (own - own.detach()).abs().sqrt())  # slope of √x at 0

    with pytest.raises(Diverged, match="gradient is not finite"):
        hamu(trained(), make_split(), spiked, seed=0, progress=silent)


def test_a_mean_loss_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match="reduction='none'"):
        hamu(trained(), make_split(), spoilt(lambda own: own.mean()), seed=0, progress=silent)


def test_an_empty_forget_or_retain_set_is_refused() -> None:
    split = make_split()
    empty = split.forget.take(torch.empty(0, dtype=torch.int64))

    with pytest.raises(ValueError, match="forget set is empty"):
        forgotten(replace(split, forget=empty))
    with pytest.raises(ValueError, match="retain set is empty"):
        forgotten(replace(split, retain=empty))


def test_targets_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="16 samples to forget"):
        forgotten(targets=torch.ones(5))


def test_frozen_parameters_do_not_move_and_a_frozen_network_is_refused() -> None:
    half = copy.deepcopy(trained())
    for name, parameter in half.named_parameters():
        parameter.requires_grad_(name.startswith("3."))

    made = hamu(half, make_split(), recipe, seed=0, progress=silent)

    for name, parameter in made.network.named_parameters():
        same = torch.equal(parameter, half.get_parameter(name))
        assert same != name.startswith("3."), name
    with pytest.raises(ValueError, match="every parameter of this network is frozen"):
        hamu(half.requires_grad_(False), make_split(), recipe, seed=0, progress=silent)


def test_the_utility_form_without_a_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a bound: give `share` or `quota`"):
        forgotten(form="utility")


def test_steps_that_are_all_taken_back_are_given_up_and_nothing_moves() -> None:
    """A rate at which every step overshoots, until halving it twenty times is not enough."""
    made = forgotten(
        aim="samples", targets=torch.full((16,), 0.3), share=0.5, rate=1e6, most_rate=1e6
    )

    columns = made.trace.columns
    assert made.trace.stop is Stop.BUDGET
    assert made.trace.steps == FAILURES == sum(columns["undone"])
    assert columns["rate"] == pytest.approx([1e6 / 2**step for step in range(FAILURES)])
    assert all(gain != 0 for gain in columns["realised_gain"])
    assert made.trace.notes == (f"{FAILURES} steps in a row had to be taken back",)
    assert same_state(made.network, trained())
