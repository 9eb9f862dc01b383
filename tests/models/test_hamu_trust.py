"""What is taken back, what is tried instead, and what harm is: HAMU's trust region and its S2."""

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
from models.unlearning.hamu_pace import Pace, next_plan
from models.unlearning.hamu_run import FAILURES
from models.unlearning.hamu_step import Form, capacity
from models.unlearning.trust import CAREFUL_GROWTH, Reach, further, nearer
from tests.models.blobs import make_split, mean_loss, recipe, same_state, trained
from tests.models.gradient_pairs import RATE, at_angle
from tests.models.spoilt import spoilt

WILD: dict[str, Any] = {"aim": "ascent", "metric": "plain", "share": 0.5, "rate": 1e20}


def forgotten(split: Split | None = None, **settings: Any) -> Unlearned:
    return hamu(trained(), split or make_split(), recipe, seed=0, progress=silent, **settings)


def test_weights_at_which_the_loss_is_not_a_number_are_not_handed_out() -> None:
    with pytest.raises(Diverged, match="mean loss of the forget set is nan"):
        forgotten(**WILD, trust=False, steps=1)


def test_a_step_to_such_weights_is_taken_back_where_steps_are() -> None:
    made = forgotten(**WILD, steps=1)

    assert made.trace.stop is Stop.BUDGET
    assert made.trace.columns["undone"] == [1.0]
    assert same_state(made.network, trained())


@pytest.mark.parametrize("form", list(Form))
def test_where_the_reach_is_cut_the_absolute_quota_is_cut_with_it(form: Form) -> None:
    triples = at_angle(1.0, own=2.0, other=3.0)
    pace = Pace(form, RATE, quota=0.8 * RATE * capacity(triples))

    whole, half = (next_plan(triples, pace=pace, owed=1.0, cap=cap) for cap in (2 * RATE, RATE / 2))

    assert (half.rate, whole.rate) == (RATE / 2, RATE)
    assert half.share == whole.share == pytest.approx(0.8)
    assert half.shortfall == whole.shortfall == 0
    assert half.forget_gain == pytest.approx(whole.forget_gain / 2)


def test_a_reach_is_halved_and_grows_again_with_care() -> None:
    reach = Reach(rate=1.0, most=2.0)

    assert nearer(reach) == Reach(0.5, 2.0, growth=CAREFUL_GROWTH, undone=1)
    assert further(reach) == Reach(1.5, 2.0)
    assert further(nearer(reach)).rate == pytest.approx(0.6)
    assert further(further(reach)).rate == 2.0


def test_a_gradient_that_is_lost_between_two_looks_is_a_look_that_failed() -> None:
    made = forgotten(**WILD, forget_batch=5, steps=90)

    columns = made.trace.columns
    assert made.trace.steps == FAILURES == sum(columns["undone"])
    assert columns["rate"] == pytest.approx([1e20 / 2**step for step in range(FAILURES)])
    assert same_state(made.network, trained())


def test_it_goes_on_from_there() -> None:
    made = forgotten(**WILD | {"rate": 1e12}, forget_batch=5, steps=20)

    assert 0 < sum(made.trace.columns["undone"]) < made.trace.steps
    assert mean_loss(made.network, make_split().forget) > mean_loss(trained(), make_split().forget)


def test_where_nothing_is_taken_back_or_nothing_was_done_it_is_said() -> None:
    spiked = spoilt(lambda own: own + (own - own.detach()).abs().sqrt())  # slope of √x at 0

    with pytest.raises(Diverged, match="gradient is not finite"):
        forgotten(**WILD, forget_batch=5, trust=False)
    with pytest.raises(Diverged, match="gradient is not finite"):
        hamu(trained(), make_split(), spiked, seed=0, progress=silent, forget_batch=5)


def deep() -> nn.Module:
    """Twelve layers, in which a step that is too long leaves hardly a gradient."""
    torch.manual_seed(0)
    inner = [part for _ in range(11) for part in (nn.Linear(32, 32), nn.ReLU())]
    network = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), *inner, nn.Linear(32, 4))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.7 if parameter.ndim > 1 else 0.0)
    schedule = replace(recipe.schedule, peak_rate=0.02)
    replace(recipe, schedule=schedule).fit(network, recipe.pool(), seed=0, progress=silent)
    return network


def test_what_was_learnt_at_weights_that_are_thrown_away_goes_with_them() -> None:
    split = make_split(forget=48)

    made = hamu(
        deep(), split, recipe, seed=0, progress=silent, metric="fisher", forget_batch=16, steps=30
    )

    columns = made.trace.columns
    after = [
        columns["capacity"][place + 1]
        for place, undone in enumerate(columns["undone"][:-1])
        if undone
    ]
    assert after
    assert min(after) > 1e-2 * columns["capacity"][0]
