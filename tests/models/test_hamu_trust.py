"""What is taken back, what is tried instead, and what harm is: HAMU's trust region and its S2."""

from typing import Any

import pytest

from models.data import Split
from models.diverged import Diverged
from models.progress import silent
from models.unlearning.contract import Stop, Unlearned
from models.unlearning.hamu import hamu
from models.unlearning.hamu_pace import Pace, next_plan
from models.unlearning.hamu_step import Form, capacity
from models.unlearning.trust import CAREFUL_GROWTH, Reach, further, nearer
from tests.models.blobs import make_split, recipe, same_state, trained
from tests.models.gradient_pairs import RATE, at_angle

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


def test_a_reach_is_half_of_what_was_used_and_grows_again_with_care() -> None:
    reach = Reach(rate=1.0, most=2.0)

    assert nearer(reach, used=0.1) == Reach(0.05, 2.0, growth=CAREFUL_GROWTH, undone=1)
    assert nearer(reach, used=3.0).rate == 0.5
    assert further(reach) == Reach(1.5, 2.0)
    assert further(nearer(reach, used=0.1)).rate == pytest.approx(0.06)
    assert further(further(reach)).rate == 2.0


@pytest.mark.parametrize("looks_every", [1, 5])
def test_after_steps_that_were_taken_back_the_next_is_half_as_long(looks_every: int) -> None:
    made = forgotten(
        make_split(forget=48), metric="fisher", forget_batch=48 if looks_every == 1 else 16
    )

    undone, rates = (made.trace.columns[name] for name in ("undone", "rate"))
    ends = [place for place, flag in enumerate(undone[:-1]) if flag]
    assert len(ends) > 3
    for end in ends:
        longest = max(rates[end + 1 - looks_every : end + 1])
        assert rates[end + 1] <= longest / 2 * (1 + 1e-9)
