from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.auditing.attacks import (
    Ints,
    average,
    calibrated,
    difference,
    logit_confidence,
    mid_ranks,
    middling,
    placements,
    separation,
)
from models.auditing.intervals import Floats

Sample = tuple[float, int]
some_samples = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 2.0, 5.0]), st.integers(0, 2)), max_size=12
)


def strata(count: int, kinds: int = 1) -> Ints:
    return np.arange(count, dtype=np.int64) % kinds


def auc_of(signal: Floats, unseen: Floats) -> float:
    placed = placements(signal, strata(len(signal)), unseen, strata(len(unseen)))
    return separation(placed).interval.estimate


def slow_auc(forgotten: list[Sample], unseen: list[Sample]) -> float:
    """Each forgotten sample against every unseen one of its stratum, ties by half."""
    shares = []
    for value, stratum in forgotten:
        others = [other for other, kind in unseen if kind == stratum]
        if len(others) >= 2:
            wins = sum((value > other) + 0.5 * (value == other) for other in others)
            shares.append(wins / len(others))
    return sum(shares) / len(shares)


@given(some_samples, some_samples)
def test_the_auc_is_that_of_comparing_every_pair(
    forgotten: list[Sample], unseen: list[Sample]
) -> None:
    forgotten, unseen = [*forgotten, (1.0, 0)], [*unseen, (0.0, 0), (2.0, 0)]

    placed = placements(
        np.array([value for value, _ in forgotten]),
        np.array([kind for _, kind in forgotten]),
        np.array([value for value, _ in unseen]),
        np.array([kind for _, kind in unseen]),
    )

    assert separation(placed).interval.estimate == pytest.approx(slow_auc(forgotten, unseen))


@given(st.lists(st.floats(-50, 50), min_size=2), st.lists(st.floats(-50, 50), min_size=2))
def test_looking_unlike_unseen_data_counts_on_either_side(
    ours: list[float], theirs: list[float]
) -> None:
    above = auc_of(np.array(ours), np.array(theirs))
    below = auc_of(-np.array(ours), -np.array(theirs))

    assert above == pytest.approx(1 - below)


def test_signals_that_are_all_alike_tell_nothing_and_are_no_certainty() -> None:
    placed = placements(np.ones(60), strata(60, 3), np.ones(90), strata(90, 3))

    interval = separation(placed).interval

    assert interval.estimate == 0.5
    assert interval.high - interval.low > 0.1


def test_samples_apart_by_class_only_are_not_told_apart() -> None:
    chance = np.random.default_rng(0)
    kinds, unseen_kinds = chance.choice(2, 400, p=[0.9, 0.1]), chance.choice(2, 400, p=[0.1, 0.9])
    signal, unseen = kinds + chance.normal(size=400) / 9, unseen_kinds + chance.normal(size=400) / 9

    within = separation(placements(signal, kinds, unseen, unseen_kinds)).interval
    across = separation(placements(signal, strata(400), unseen, strata(400))).interval

    assert within.low < 0.5 < within.high
    assert across.estimate < 0.2


def test_a_class_that_was_not_held_out_is_left_out() -> None:
    kinds = np.array([0, 0, 7, 7])

    placed = placements(np.array([1.0, 1.0, -9.0, -9.0]), kinds, np.zeros(5), strata(5))

    assert separation(placed).forgotten == 2
    assert separation(placed).interval.estimate == 1.0


def test_no_class_in_common_is_refused() -> None:
    with pytest.raises(ValueError, match="two unseen ones of its stratum"):
        placements(np.ones(3), strata(3), np.ones(3), strata(3) + 5)


def test_a_signal_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be ranked"):
        placements(np.array([1.0, np.nan]), strata(2), np.ones(3), strata(3))


def coverage_of_auc(shift: float) -> float:
    """How often the 90 % interval holds the true AUC, which two normals give in closed form."""
    chance = np.random.default_rng(3)
    truth = NormalDist().cdf(shift / 2**0.5)

    def covers() -> bool:
        placed = placements(
            chance.normal(shift, 1, 60), strata(60, 6), chance.normal(size=240), strata(240, 6)
        )
        interval = separation(placed, confidence=0.9).interval
        return interval.low <= truth <= interval.high

    return float(np.mean([covers() for _ in range(600)]))


@given(seed=st.integers(0, 99), noise=st.floats(0, 0.5), count=st.integers(2, 30))
def test_more_noise_never_narrows_an_interval(seed: int, noise: float, count: int) -> None:
    chance = np.random.default_rng(seed)
    placed = placements(
        chance.normal(size=count), strata(count, 1), chance.normal(size=40), strata(40, 1)
    )
    plain = separation(placed, confidence=0.9)

    noisy = plain.at_least(noise, confidence=0.9).interval

    assert noisy.low <= plain.interval.low
    assert noisy.high >= plain.interval.high


def test_chance_is_covered_as_often_as_promised() -> None:
    assert coverage_of_auc(shift=0.0) == pytest.approx(0.9, abs=0.03)


def test_a_leak_is_covered_at_least_as_often_as_promised() -> None:
    assert 0.9 <= coverage_of_auc(shift=0.8) < 0.97


def test_a_difference_on_the_same_samples_is_covered_as_often_as_promised() -> None:
    chance = np.random.default_rng(4)

    def covers() -> bool:
        hard, unseen_hard = chance.normal(size=60), chance.normal(size=240)
        one, other = (
            placements(
                hard + 0.5 * chance.normal(size=60),
                strata(60, 6),
                unseen_hard + 0.5 * chance.normal(size=240),
                strata(240, 6),
            )
            for _ in range(2)
        )
        interval = difference(one, other, confidence=0.9).interval
        return interval.low <= 0 <= interval.high

    assert np.mean([covers() for _ in range(600)]) == pytest.approx(0.9, abs=0.035)


def test_pairing_takes_the_difficulty_of_the_samples_out() -> None:
    chance = np.random.default_rng(5)
    hard, unseen_hard = chance.normal(size=60), chance.normal(size=240)
    one, other = (
        placements(
            hard + 0.1 * chance.normal(size=60),
            strata(60),
            unseen_hard + 0.1 * chance.normal(size=240),
            strata(240),
        )
        for _ in range(2)
    )

    paired, alone = difference(one, other), separation(one)

    assert paired.forgotten_variance < 0.1 * alone.forgotten_variance


def spread_auc(signal: Floats, unseen: Floats) -> float:
    kinds, unseen_kinds = strata(len(signal)), strata(len(unseen))
    near, unseen_near = middling(signal, kinds, unseen, unseen_kinds)
    return separation(placements(near, kinds, unseen_near, unseen_kinds)).interval.estimate


def test_losses_too_even_or_split_in_two_are_found_where_a_threshold_sees_nothing() -> None:
    drawn = np.random.default_rng(7).normal(size=150)
    unseen = np.concatenate([drawn, -drawn])
    even, split = np.linspace(-0.1, 0.1, 100), np.repeat([-3.0, 3.0], 50)

    assert auc_of(even, unseen) == pytest.approx(0.5, abs=0.05)
    assert auc_of(split, unseen) == pytest.approx(0.5, abs=0.05)
    assert spread_auc(even, unseen) > 0.9
    assert spread_auc(split, unseen) < 0.1


def test_spread_is_even_on_average_among_small_tied_classes() -> None:
    chance = np.random.default_rng(8)

    def one() -> float:
        values = chance.integers(0, 4, size=9).astype(float)
        return spread_auc(values[:3], values[3:])

    assert np.mean([one() for _ in range(3000)]) == pytest.approx(0.5, abs=0.02)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30))
def test_ranks_are_those_of_the_textbook(values: list[int]) -> None:
    assert mid_ranks(np.array(values, dtype=float)) == pytest.approx(stats.rankdata(values))


def test_a_network_compared_with_itself_differs_by_less_than_a_sample() -> None:
    placed = placements(np.arange(20.0), strata(20), np.arange(30.0), strata(30))

    interval = difference(placed, average([placed, placed])).interval

    assert interval.estimate == 0
    assert 0 < interval.high < 1 / 20


def test_confidence_is_put_on_the_logit_scale() -> None:
    probability = np.array([0.2, 0.5, 0.99])

    assert logit_confidence(-np.log(probability)) == pytest.approx(
        np.log(probability / (1 - probability))
    )


def test_losses_beyond_the_precision_of_weights_stay_finite() -> None:
    assert np.isfinite(logit_confidence(np.array([0.0, 1e-30, 1e4]))).all()


def test_references_uncover_a_memory_that_difficulty_hides() -> None:
    chance = np.random.default_rng(6)
    hard, unseen_hard = chance.normal(1.0, 3, 100), chance.normal(0.0, 3, 300)
    losses = np.logaddexp(0, hard - 1.0 + 0.3 * chance.normal(size=100))
    unseen_losses = np.logaddexp(0, unseen_hard + 0.3 * chance.normal(size=300))

    raw = auc_of(-losses, -unseen_losses)
    found = auc_of(
        calibrated(losses, np.logaddexp(0, hard)[None, :]),
        calibrated(unseen_losses, np.logaddexp(0, unseen_hard)[None, :]),
    )

    assert raw == pytest.approx(0.5, abs=0.07)
    assert found > 0.95
