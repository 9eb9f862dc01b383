import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.auditing.intervals import (
    Interval,
    around,
    change_interval,
    clopper_pearson,
    mean_interval,
    z_of,
)


def test_no_hits_of_ten_leave_room_for_the_textbook_rate() -> None:
    interval = clopper_pearson(0, 10, confidence=0.95)

    assert interval.low == 0
    assert interval.high == pytest.approx(1 - 0.025**0.1)


@given(st.integers(1, 60), st.data())
def test_hits_and_misses_are_mirror_images(count: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, count))

    one, other = clopper_pearson(hits, count), clopper_pearson(count - hits, count)

    assert one.low == pytest.approx(1 - other.high)
    assert one.high == pytest.approx(1 - other.low)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.37, 0.5, 0.93])
def test_a_rate_is_covered_at_least_as_often_as_promised(rate: float) -> None:
    count = 40
    intervals = [clopper_pearson(hits, count, confidence=0.9) for hits in range(count + 1)]

    covered = sum(
        stats.binom.pmf(hits, count, rate)
        for hits, interval in enumerate(intervals)
        if interval.low <= rate <= interval.high
    )

    assert covered >= 0.9


@pytest.mark.parametrize(("hits", "count"), [(-1, 5), (6, 5), (0, 0)])
def test_an_impossible_rate_is_refused(hits: int, count: int) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        clopper_pearson(hits, count)


def test_a_mean_of_few_values_is_covered_as_often_as_promised() -> None:
    draws = np.random.default_rng(1).normal(3.0, 2.0, size=(2000, 6))

    intervals = [mean_interval(draw, confidence=0.9) for draw in draws]

    covered = np.mean([one.low <= 3.0 <= one.high for one in intervals])
    assert covered == pytest.approx(0.9, abs=0.02)


def test_one_value_has_no_interval() -> None:
    with pytest.raises(ValueError, match="two values"):
        mean_interval(np.array([1.0]))


def test_pairs_that_all_agree_are_not_certainty() -> None:
    interval = change_interval(np.zeros(30))

    assert interval.estimate == 0
    assert interval.low < -0.02
    assert interval.high > 0.02


def test_a_change_of_paired_scores_is_covered_as_often_as_promised() -> None:
    chance = np.random.default_rng(2)
    draws = chance.choice([-1.0, 0.0, 1.0], p=[0.03, 0.87, 0.10], size=(2000, 60))

    intervals = [change_interval(draw, confidence=0.9) for draw in draws]

    covered = np.mean([one.low <= 0.07 <= one.high for one in intervals])
    assert covered == pytest.approx(0.9, abs=0.03)


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        change_interval(np.empty(0))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=50))
def test_a_change_lies_in_its_own_interval(values: list[float]) -> None:
    interval = change_interval(np.array(values))

    assert interval.low <= interval.estimate <= interval.high


def test_quantiles_are_those_of_the_textbook() -> None:
    assert z_of(0.95) == pytest.approx(1.959964, abs=1e-6)
    assert around(0.0, 1.0, 9, confidence=0.95).high == pytest.approx(2.262157, abs=1e-6)


def test_an_interval_moves_as_a_whole() -> None:
    assert Interval(0.5, 0.25, 0.75).shifted(-0.5) == Interval(0.0, -0.25, 0.25)
