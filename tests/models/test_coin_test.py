from itertools import combinations, permutations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from models.auditing.coin_test import canaries_needed, e_value, least_p, randomisation
from models.auditing.intervals import Floats

scores = st.lists(st.sampled_from([0.0, 0.5, 1.0, 3.0]), min_size=1, max_size=3)


def slow(riders: list[float], never_seen: list[float]) -> float:
    """Every order of the coins, each as likely as any other."""
    ranks = stats.rankdata([*riders, *never_seen])
    centred = ranks - ranks.mean()
    observed = abs(centred[: len(riders)].sum())
    every = [abs(sum(order[: len(riders)])) for order in permutations(centred)]
    return float(np.mean([one >= observed - 1e-9 for one in every]))


@given(scores, scores)
def test_the_p_value_is_the_share_of_all_falls_of_the_coins_that_fit_as_well(
    riders: list[float], never_seen: list[float]
) -> None:
    p = randomisation(np.array(riders), np.array(never_seen), seed=0)

    assert p == pytest.approx(slow(riders, never_seen))


def test_of_many_canaries_some_falls_are_drawn_and_agree_with_the_exact_rank_test() -> None:
    chance = np.random.default_rng(5)
    riders, never_seen = chance.normal(0.5, 1, 30), chance.normal(0, 1, 40)

    p = randomisation(riders, never_seen, seed=0)

    exact = stats.mannwhitneyu(riders, never_seen, method="exact").pvalue
    assert p == pytest.approx(exact, abs=0.01)


def test_scores_that_are_all_alike_tell_nothing() -> None:
    assert randomisation(np.ones(8), np.ones(9), seed=0) == 1.0


def test_a_score_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        randomisation(np.array([1.0, np.nan]), np.ones(3), seed=0)


@pytest.mark.parametrize(("riders", "never_seen"), [(6, 6), (9, 3), (40, 60)])
def test_a_true_null_is_rejected_no_more_often_than_the_level_says(
    riders: int, never_seen: int
) -> None:
    chance = np.random.default_rng(0)
    trials = 1000 if riders < 20 else 100

    ps = np.array(
        [
            randomisation(chance.normal(size=riders), chance.normal(size=never_seen), seed=trial)
            for trial in range(trials)
        ]
    )

    for level in (0.01, 0.05, 0.2):
        allowed = stats.binom.ppf(0.999, trials, level) / trials
        assert (ps <= level).mean() <= allowed


def test_the_smallest_p_value_is_reached_by_full_separation() -> None:
    p = randomisation(np.arange(6.0) + 10, np.arange(6.0), seed=0)

    assert p == pytest.approx(least_p(6, 6)) == pytest.approx(2 / comb(12, 6))


def test_ten_canaries_are_the_fewest_for_one_in_a_hundred() -> None:
    assert canaries_needed(0.01) == 10
    assert least_p(5, 5) <= 0.01 < least_p(4, 5)


def test_an_e_value_is_one_half_over_the_root_of_p() -> None:
    assert e_value(1.0) == 0.5
    assert e_value(0.0025) == 10.0
    with pytest.raises(ValueError, match="is not a p-value"):
        e_value(0.0)


@pytest.mark.parametrize(("riders", "never_seen"), [(1, 2), (3, 3), (5, 7)])
def test_the_mean_e_value_of_coins_that_know_nothing_is_one_at_most(
    riders: int, never_seen: int
) -> None:
    """Over all falls of the coins, with ties: exactly, not in the long run."""
    ranks = np.round(np.linspace(0, 3, riders + never_seen))

    means = np.mean([e_value(p) for p in falls(ranks, riders)])

    assert means <= 1 + 1e-12


def falls(values: Floats, riders: int) -> list[float]:
    found = []
    for chosen in combinations(range(len(values)), riders):
        rest = np.setdiff1d(np.arange(len(values)), chosen)
        found.append(randomisation(values[list(chosen)], values[rest], seed=0))
    return found


def test_whoever_stops_when_the_evidence_is_strongest_is_seldom_misled() -> None:
    """Type-I error at a stopping time: at most one run in twenty ever reaches 20."""
    chance = np.random.default_rng(1)
    misled = 0

    for _ in range(300):
        wealth = 1.0
        for _ in range(40):
            together = chance.normal(size=10)
            wealth *= e_value(randomisation(together[:5], together[5:], seed=0))
            if wealth >= 20:
                misled += 1
                break

    assert misled <= stats.binom.ppf(0.999, 300, 0.05)


def test_evidence_of_a_leak_in_every_job_adds_up() -> None:
    chance = np.random.default_rng(2)
    wealth = 1.0

    for _ in range(12):
        wealth *= e_value(randomisation(chance.normal(2.5, 1, 6), chance.normal(0, 1, 6), seed=0))

    assert wealth >= 20
