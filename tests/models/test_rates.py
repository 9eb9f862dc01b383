import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.auditing.intervals import clopper_pearson
from models.auditing.rates import Rate, rates


def of_tail(found: list[Rate], tail: str) -> dict[float, Rate]:
    return {rate.aimed: rate for rate in found if rate.tail == tail}


def test_members_that_stand_out_are_found_at_few_false_alarms() -> None:
    chance = np.random.default_rng(0)

    found = rates(chance.normal(6, 1, 50), chance.normal(0, 1, 400), seed=0)

    remembered = of_tail(found, "remembered")[0.01]
    pushed = of_tail(found, "pushed too far")[0.01]
    assert remembered.found.low > 0.9
    assert remembered.false.high < 0.06
    assert pushed.found.estimate == 0.0


def test_members_that_were_pushed_too_far_are_found_by_the_other_tail() -> None:
    chance = np.random.default_rng(0)

    found = rates(chance.normal(-6, 1, 50), chance.normal(0, 1, 400), seed=0)

    assert of_tail(found, "pushed too far")[0.01].found.low > 0.9


def test_no_rate_below_one_in_as_many_as_set_the_threshold_is_claimed() -> None:
    found = rates(np.zeros(5), np.arange(40.0), seed=0)

    assert min(rate.aimed for rate in found) == 0.05  # twenty set the threshold


def test_without_members_or_without_enough_unseen_there_is_nothing_to_tell() -> None:
    assert rates(np.empty(0), np.arange(40.0), seed=0) == []
    assert rates(np.zeros(3), np.zeros(1), seed=0) == []


def test_ties_are_no_alarm() -> None:
    found = rates(np.zeros(10), np.zeros(100), seed=0)

    assert {rate.found.estimate for rate in found} == {0.0}
    assert {rate.false.estimate for rate in found} == {0.0}


@pytest.mark.parametrize("aim", [0.05, 0.2])
def test_the_rate_of_false_alarms_is_the_one_aimed_at(aim: float) -> None:
    chance = np.random.default_rng(3)

    seen = [
        of_tail(rates(np.zeros(2), chance.normal(size=200), seed=trial), "remembered")[aim]
        for trial in range(200)
    ]

    assert np.mean([rate.false.estimate for rate in seen]) == pytest.approx(aim, abs=0.012)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=8),
    st.lists(st.floats(-5, 5), min_size=2, max_size=60),
)
def test_rates_lie_inside_their_intervals(members: list[float], unseen: list[float]) -> None:
    for rate in rates(np.array(members), np.array(unseen), seed=0):
        for share in (rate.false, rate.found):
            assert 0 <= share.low <= share.estimate <= share.high <= 1


def test_false_alarms_are_counted_on_whoever_did_not_set_the_threshold() -> None:
    unseen = np.arange(100.0)

    seen = [
        of_tail(rates(np.zeros(2), unseen, seed=trial), "remembered")[0.1] for trial in range(50)
    ]

    counts = {round(50 * rate.false.estimate) for rate in seen}
    assert len(counts) > 3  # those that set it would give five alarms each time
    assert {clopper_pearson(count, 50) for count in counts} == {rate.false for rate in seen}
