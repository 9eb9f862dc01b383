import numpy as np
import pytest

from models.auditing.intervals import clopper_pearson, mean_interval
from models.auditing.utility import (
    by_group,
    by_stratum,
    drop,
    score_interval,
    utility,
    worst_strata,
)


def test_right_or_wrong_is_a_rate() -> None:
    scores = np.array([1.0, 1.0, 0.0, 1.0])

    assert score_interval(scores) == clopper_pearson(3, 4)


def test_graded_scores_have_a_mean() -> None:
    scores = np.array([0.5, 0.75, 1.0])

    assert score_interval(scores) == mean_interval(scores)


def test_utility_is_mean_score_and_mean_loss() -> None:
    found = utility(np.array([1.0, 0.0]), np.array([0.5, 1.5]))

    assert found.samples == 2
    assert found.score.estimate == 0.5
    assert found.loss.estimate == 1.0


def test_each_stratum_is_measured_by_its_own_samples() -> None:
    found = by_stratum(
        np.array([1.0, 0.0, 1.0, 0.0, 1.0]), np.arange(5.0), np.array([3, 3, 8, 8, 9])
    )

    assert {kind: one.score.estimate for kind, one in found.items()} == {3: 0.5, 8: 0.5}
    assert found[8].loss.estimate == 2.5


def test_each_subgroup_is_measured_by_its_own_samples_and_named() -> None:
    found = by_group(
        np.array([1.0, 0.0, 1.0, 1.0, 1.0]),
        np.arange(5.0),
        ("old", "young", "old", "young", "alone"),
    )

    assert {name: (one.samples, one.score.estimate) for name, one in found.items()} == {
        "old": (2, 1.0),
        "young": (2, 0.5),
    }


def test_a_drop_is_by_how_much_less_is_got_right() -> None:
    before = np.ones(200)
    after = np.where(np.arange(200) < 30, 0.0, 1.0)

    found = drop(after, before)

    assert found.estimate == pytest.approx(0.15)
    assert 0.1 < found.low < 0.15 < found.high < 0.2


def test_a_gain_is_a_negative_drop() -> None:
    assert drop(np.ones(50), np.zeros(50)).high < 0


def test_the_stratum_that_lost_most_comes_first() -> None:
    kinds = np.repeat([0, 1, 2], 40)
    after = np.where((kinds == 1) | ((kinds == 2) & (np.arange(120) % 2 == 0)), 0.0, 1.0)

    found = worst_strata(after, np.ones(120), kinds, most=2)

    assert [(one.stratum, one.samples, one.drop.estimate) for one in found] == [
        (1, 40, 1.0),
        (2, 40, 0.5),
    ]


def test_looking_at_many_strata_makes_each_interval_wider() -> None:
    after, before = np.zeros(40), np.zeros(40)

    one = worst_strata(after, before, np.zeros(40, dtype=np.int64), most=1)[0].drop
    many = worst_strata(np.zeros(400), np.zeros(400), np.repeat(np.arange(10), 40), most=1)[0].drop

    assert many.high > one.high
