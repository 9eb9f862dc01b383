from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calibration import (
    Calibration,
    Trial,
    calibrate,
    exposed_share,
)
from models.decision_terms import Policy
from models.hardness.record import TargetRule
from models.precedents import Precedent

DEFAULTS = Policy()
VERDICTS = ("pass", "inconclusive", "escalate", "diverged")
shares = st.floats(0, 1)
trial_kinds = st.builds(
    Trial,
    high=st.booleans(),
    skewed=st.booleans(),
    rule=st.just(TargetRule.MATCHED),
    memorized=shares,
    stratum=shares,
    verdict=st.sampled_from(VERDICTS),
    share=st.floats(1e-6, 1),
    unlearn=st.floats(0.01, 2),
)


def make_trial(*, verdict: str = "pass", **changed: object) -> Trial:
    """An ordinary one that passed."""
    usual = Trial(
        high=False,
        skewed=False,
        rule=TargetRule.MATCHED,
        memorized=0.1,
        stratum=0.05,
        verdict=verdict,
        samples=40,
        share=0.05,
        unlearn=0.1,
    )
    return replace(usual, **changed)  # type: ignore[arg-type]  # a test names fields freely


def learnt(*trials: Trial) -> Calibration:
    return calibrate(trials)


def limits(found: Calibration) -> tuple[float, float]:
    policy = found.applied_to(DEFAULTS)
    return policy.stratum_share, policy.memorized_share


def escalated(found: Calibration) -> list[bool]:
    """Of each trial that the decision would unlearn, whether its audit did not pass it."""
    return [one.escalated for one in found.precedents]


def test_only_trials_that_were_aimed_as_most_were_are_learnt_from() -> None:
    aimed = make_trial(rule=TargetRule.REFERENCE, skewed=True, stratum=0.3, verdict="escalate")

    found = learnt(make_trial(), make_trial(), aimed)

    assert (found.rule, len(found.precedents), found.thresholds) == (TargetRule.MATCHED, 2, {})
    assert learnt(make_trial(), aimed, aimed).rule is TargetRule.REFERENCE


def test_trials_that_pass_below_the_defaults_leave_them_as_they_are() -> None:
    found = learnt(*[make_trial()] * 8)

    assert found.thresholds == {}
    assert limits(found) == (DEFAULTS.stratum_share, DEFAULTS.memorized_share)


def test_one_failure_lowers_a_threshold_to_the_largest_share_below_it_that_passed() -> None:
    small, large = make_trial(skewed=True, stratum=0.3), make_trial(skewed=True, stratum=0.4)

    found = learnt(make_trial(), small, replace(large, verdict="escalate"))

    assert found.stratum_share == 0.3


def test_where_little_passed_below_a_failure_half_of_what_failed_is_allowed() -> None:
    large = make_trial(skewed=True, stratum=0.4, verdict="diverged")

    assert learnt(large).stratum_share == 0.2
    assert learnt(make_trial(stratum=0.05), large).stratum_share == 0.2


def test_a_random_set_that_fails_is_blamed_on_no_share_but_on_unlearning() -> None:
    found = learnt(make_trial(verdict="escalate"), make_trial())

    assert found.thresholds == {}
    assert escalated(found) == [True, False]


def test_two_passes_beyond_the_default_raise_a_threshold_and_one_does_not() -> None:
    high = make_trial(high=True, memorized=0.9), make_trial(high=True, memorized=0.7)

    assert learnt(make_trial(), *high).memorized_share == 0.7
    assert learnt(make_trial(), high[0]).memorized_share is None


def test_rare_strata_in_random_sets_raise_nothing() -> None:
    rare = [make_trial(stratum=stratum) for stratum in (1.0, 0.9, 0.8)]

    assert learnt(*rare, make_trial(skewed=True, stratum=0.5)).stratum_share is None


def test_a_failure_that_has_another_excuse_only_keeps_a_threshold_from_rising() -> None:
    high = make_trial(high=True, memorized=0.9), make_trial(high=True, memorized=0.7)
    both = make_trial(high=True, skewed=True, memorized=0.6, stratum=0.3, verdict="escalate")

    found = learnt(make_trial(), *high, both)

    assert found.memorized_share is None
    assert found.stratum_share is None


def test_an_audit_that_could_not_tell_moves_no_threshold_but_counts_as_escalated() -> None:
    found = learnt(make_trial(), make_trial(verdict="inconclusive", skewed=True, stratum=0.3))

    assert found.thresholds == {}
    assert escalated(found) == [False, True]


def test_trials_that_the_decision_would_retrain_count_for_neither_cost_nor_risk() -> None:
    hard = make_trial(high=True, memorized=0.9, verdict="escalate", unlearn=5.0)

    found = learnt(make_trial(), make_trial(), hard)

    assert found.precedents == (Precedent(0.05, escalated=False, unlearn=0.1),) * 2


@pytest.mark.parametrize("changed", [{"memorized": None}, {"comparable": 0.5}, {"samples": 12}])
def test_nor_do_trials_that_no_audit_could_judge_or_of_which_too_little_is_known(
    changed: dict[str, Any],
) -> None:
    judged = Policy(fewest=20, comparable_share=0.8)

    found = calibrate([make_trial(), make_trial(verdict="inconclusive", **changed)], judged)

    assert escalated(found) == [False]


def test_where_a_person_is_asked_an_audit_that_could_not_tell_is_no_escalation() -> None:
    trials = [make_trial(verdict=verdict) for verdict in ("pass", "inconclusive", "escalate")]

    assert escalated(calibrate(trials)) == [False, True, True]
    assert escalated(calibrate(trials, asks_a_person=True)) == [False, False, True]


@pytest.mark.parametrize("verdict", ["diverged", "impossible"])
def test_a_trial_that_came_to_no_network_does_not_say_what_unlearning_takes(verdict: str) -> None:
    (told,) = learnt(make_trial(verdict=verdict, unlearn=0.001, share=0.01)).precedents

    assert told == Precedent(0.01, escalated=True, unlearn=None)


def test_with_references_nobody_asks_what_was_memorized() -> None:
    aimed = [
        make_trial(rule=TargetRule.REFERENCE, high=True, memorized=0.9, verdict="escalate"),
        make_trial(rule=TargetRule.REFERENCE),
    ]

    found = learnt(*aimed)

    assert found.memorized_share is None
    assert escalated(found) == [True, False]


def test_nothing_is_owed_where_as_few_samples_are_exposed_as_in_retrained_networks() -> None:
    around = [make_trial(exposed=0.5, retrained=value) for value in (0.02, 0.03, 0.04, 0.05)]

    assert exposed_share(around) == pytest.approx(0.035)
    assert exposed_share([replace(one, exposed=0.02) for one in around]) == 0.01
    assert exposed_share(around[:3]) is None


def test_a_calibration_is_read_back_as_it_was_written() -> None:
    found = learnt(make_trial(), make_trial(verdict="escalate", skewed=True, stratum=0.2))

    assert Calibration.of(found.record()) == found


@given(trials=st.lists(trial_kinds, min_size=1, max_size=10), more=trial_kinds)
def test_a_pass_more_never_lowers_a_threshold(trials: list[Trial], more: Trial) -> None:
    before = limits(learnt(*trials))
    after = limits(learnt(*trials, replace(more, verdict="pass")))

    assert all(new >= old for old, new in zip(before, after, strict=True))


@given(trials=st.lists(trial_kinds, min_size=1, max_size=10), more=trial_kinds)
def test_a_failure_more_never_raises_a_threshold(trials: list[Trial], more: Trial) -> None:
    before = limits(learnt(*trials))
    after = limits(learnt(*trials, replace(more, verdict="escalate")))

    assert all(new <= old for old, new in zip(before, after, strict=True))


@given(trials=st.lists(trial_kinds, min_size=1, max_size=10), which=st.integers(0, 9))
def test_a_trial_that_fails_instead_never_raises_a_threshold(
    trials: list[Trial], which: int
) -> None:
    worse = list(trials)
    worse[which % len(trials)] = replace(trials[which % len(trials)], verdict="escalate")

    before, after = limits(learnt(*trials)), limits(learnt(*worse))

    assert all(new <= old for old, new in zip(before, after, strict=True))


@given(trials=st.lists(trial_kinds, min_size=1, max_size=10), order=st.randoms())
def test_the_order_of_trials_does_not_matter(trials: list[Trial], order: object) -> None:
    shuffled = sorted(trials, key=lambda _: order.random())  # type: ignore[attr-defined]

    first, again = learnt(*trials), learnt(*shuffled)

    assert first.thresholds == again.thresholds
    assert sorted(escalated(first)) == sorted(escalated(again))
