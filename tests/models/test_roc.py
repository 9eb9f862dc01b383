import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.auditing.roc import roc


def test_whoever_stands_out_is_found_before_the_first_false_alarm() -> None:
    points = roc(np.full(20, 9.0), np.arange(8.0))

    assert [point.found.estimate for point in points] == [1.0] * len(points)
    assert points[0].false == 1 / 8


def test_whoever_was_pushed_too_far_is_found_last() -> None:
    points = roc(np.full(20, -9.0), np.arange(8.0))

    assert [point.found.estimate for point in points[:-1]] == [0.0] * (len(points) - 1)
    assert points[-1].found.estimate == 1.0


def test_chance_lies_on_the_diagonal_within_its_intervals() -> None:
    chance = np.random.default_rng(0)

    points = roc(chance.normal(size=400), chance.normal(size=400), confidence=0.999)

    assert all(point.found.low <= point.false <= point.found.high for point in points[2:])
    assert [point.false for point in points] == sorted({point.false for point in points})


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=20),
    st.lists(st.floats(-5, 5), min_size=1, max_size=40),
)
def test_a_curve_never_falls_and_ends_with_everybody(
    members: list[float], unseen: list[float]
) -> None:
    points = roc(np.array(members), np.array(unseen))

    found = [point.found.estimate for point in points]
    assert found == sorted(found)
    assert points[-1].false == 1.0
    assert found[-1] == pytest.approx(1.0)
