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
from models.unlearning.targets import Aim, goal_for
from tests.models.blobs import make_split, recipe, same_state, trained
from tests.models.spoilt import spoilt

NAN, INF = float("nan"), float("inf")


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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, value) for name in ("rate", "most_rate") for value in (0.0, -1e-3, NAN, INF)),
        *(("part", value) for value in (0.0, -0.3, NAN)),
        *(("max_norm", value) for value in (0.0, -1.0, NAN)),
        *(("ceiling", value) for value in (0.0, 2.0, NAN)),
        *(("memory", value) for value in (-0.1, 1.0, NAN)),
        *((name, value) for name in ("share", "quota", "price") for value in (NAN, INF)),
        *(("band", value) for value in (-0.1, NAN, INF)),
        ("patience", 0),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_by_its_name(name: str, value: float) -> None:
    settings: dict[str, Any] = {name: value}

    with pytest.raises(ValueError, match=rf"{name} is .* not {value}"):
        forgotten(**settings)


def test_the_ends_of_what_settings_may_be_are_taken() -> None:
    made = forgotten(ceiling=1.0, memory=0.0, max_norm=INF, band=0.0, patience=1, steps=3)

    assert made.trace.steps > 0


def test_two_bounds_at_once_are_refused() -> None:
    with pytest.raises(ValueError, match="give one of them"):
        forgotten(share=0.5, quota=0.1)


def test_infinite_targets_are_refused() -> None:
    with pytest.raises(ValueError, match="targets are finite losses, or NaN"):
        forgotten(targets=torch.full((16,), INF))


def test_without_validation_samples_there_is_no_target_and_the_ascent_needs_none() -> None:
    split = make_split()
    bare = replace(split, validation=split.validation.take(torch.empty(0, dtype=torch.int64)))

    climbed = forgotten(bare, aim="ascent", steps=3)

    with pytest.raises(ValueError, match="without validation samples there is no target"):
        forgotten(bare)
    assert same_state(climbed.network, forgotten(aim="ascent", steps=3).network)


def test_a_spread_that_nobody_knows_leaves_the_band_as_it_is_without_one() -> None:
    losses, targets = torch.zeros(4), torch.full((4,), 2.0)

    bands = [
        goal_for(losses, targets, aim=Aim.SAMPLES, spread=spread).band
        for spread in (None, torch.full((4,), NAN), torch.tensor([1.0, 1.0, 1.0, INF]))
    ]

    assert bands == [bands[0]] * 3
    assert bands[0] == pytest.approx(0.2)
