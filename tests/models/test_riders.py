from dataclasses import replace

import numpy as np
import pytest
import torch

from models.auditing import canary_finding
from models.auditing.canary_report import CanaryReport, Outcome
from models.auditing.coin_test import randomisation
from models.auditing.finding import Verdict
from models.auditing.intervals import Floats
from models.auditing.power import detectable_gap, leaking_share
from models.auditing.riders import Canaries, Side, canary_report, canary_scores
from models.auditing.signals import Signals
from models.data import Samples

LEVEL = 0.01


def sides(riders: int, out: int, bystanders: int = 0) -> list[Side]:
    return [Side.RIDES] * riders + [Side.OUT] * out + [Side.BYSTANDER] * bystanders


def report_of(after: Floats, which: list[Side], before: Floats | None = None) -> CanaryReport:
    before = np.linspace(0, 1, len(after)) if before is None else before
    return canary_report(before, after, which, level=LEVEL, seed=0)


def told_apart(riders: int = 20, out: int = 20) -> CanaryReport:
    scores = np.concatenate([np.arange(riders) + 100.0, np.arange(out) * 1.0])
    return report_of(scores, sides(riders, out))


def test_riders_that_are_remembered_are_told_apart() -> None:
    found = told_apart()

    assert found.outcome == Outcome.TOLD_APART
    assert found.p_value is not None
    assert found.p_value <= LEVEL
    assert found.after is not None
    assert found.after.estimate == 1.0


def test_riders_like_those_never_seen_are_not_and_the_report_says_what_would_have_been() -> None:
    scores = np.random.default_rng(0).normal(size=40)

    found = report_of(scores, sides(20, 20))

    assert found.outcome == Outcome.ALIKE
    gap = detectable_gap(20, 20, level=LEVEL)
    assert (found.detectable_auc, found.detectable_share) == (gap, leaking_share(gap))


def test_bystanders_set_thresholds_and_take_no_part_in_the_test_of_the_coins() -> None:
    scores = np.random.default_rng(0).normal(size=140)
    scores[40:] += 50  # they have nothing to do with these coins

    with_them = report_of(scores, sides(20, 20, 100))

    alone = report_of(scores[:40], sides(20, 20))
    assert (with_them.p_value, with_them.after) == (alone.p_value, alone.after)
    assert len(with_them.rates) > len(alone.rates)


@pytest.mark.parametrize(("riders", "out"), [(0, 12), (12, 0), (4, 4)])
def test_too_few_canaries_are_inconclusive_and_the_report_says_how_many_it_takes(
    riders: int, out: int
) -> None:
    found = report_of(np.arange(float(riders + out)), sides(riders, out))

    assert found.outcome == Outcome.INCONCLUSIVE
    assert found.p_value is None
    assert "it takes 10, evenly split" in found.why


def test_constant_scores_are_inconclusive() -> None:
    found = report_of(np.ones(40), sides(20, 20))

    assert found.outcome == Outcome.INCONCLUSIVE
    assert "all canaries alike" in found.why


@pytest.mark.parametrize(
    ("route", "verdict"), [("hamu", Verdict.ESCALATE), ("retrain", Verdict.INCONCLUSIVE)]
)
def test_being_told_apart_escalates_and_after_a_retrain_asks_a_person(
    route: str, verdict: Verdict
) -> None:
    found = canary_finding.finding(told_apart(), route)

    assert found.verdict is verdict
    assert "20 riders and 20 canaries that were never trained on" in found.sentence


def test_the_direction_of_a_leak_is_named() -> None:
    scores = np.concatenate([np.arange(20.0) - 100, np.arange(20.0)])

    found = canary_finding.finding(report_of(scores, sides(20, 20)), "hamu")

    assert "pushed further than forgotten" in found.sentence


def test_what_could_not_be_tested_is_said_and_leaves_the_verdict_to_the_other_attacks() -> None:
    untested = CanaryReport(Outcome.UNTESTED, "the policy wants none", 0, 0, LEVEL)

    found = canary_finding.finding(untested, "hamu")

    assert found.verdict is Verdict.PASS
    assert found.sentence == "Canaries tested nothing: the policy wants none."


def test_the_power_is_in_the_words() -> None:
    alike = report_of(np.random.default_rng(0).normal(size=40), sides(20, 20))
    strong = replace(alike, detectable_auc=0.1, detectable_share=0.2068)
    weak = replace(alike, detectable_auc=None, detectable_share=None)

    assert "as if 21% of the riders" in canary_finding.finding(strong, "hamu").sentence
    assert "not even a run that forgot no rider" in canary_finding.finding(weak, "hamu").sentence


def test_a_leak_of_the_size_that_is_named_is_seen_in_eight_of_ten_audits() -> None:
    each = 30
    gap = detectable_gap(each, each, level=0.05)
    share = leaking_share(gap)
    assert share is not None
    chance = np.random.default_rng(7)

    seen = []
    for trial in range(150):
        riders = chance.normal(size=each) + 3 * (chance.random(each) < share)
        p = randomisation(riders, chance.normal(size=each), seed=trial)
        seen.append(p <= 0.05)

    assert 0.65 <= np.mean(seen) <= 0.92


def make_canaries(ids: int, owners: list[int], strata: list[int]) -> Canaries:
    samples = Samples(
        tuple(f"sample-{place}" for place in range(ids)), torch.zeros(ids), torch.tensor(strata)
    )
    return Canaries(samples, np.array(owners), tuple([Side.RIDES] * (max(owners) + 1)))


def unseen(losses: list[float], strata: list[int]) -> Signals:
    return Signals(np.array(losses), np.zeros(len(losses)), np.array(strata))


def test_a_canary_is_scored_by_the_mean_of_its_samples_beyond_unseen_ones_of_their_strata() -> None:
    canaries = make_canaries(3, owners=[0, 0, 1], strata=[0, 1, 1])
    half = float(np.log(2))  # a confidence of one half, 0 on the scale

    scores = canary_scores(
        np.array([half, half, half]), canaries, unseen([half, half, 2.0, 2.0], [0, 0, 1, 1])
    )

    sure_of_one = -np.log(np.exp(2.0) - 1)
    np.testing.assert_allclose(scores, [-sure_of_one / 2, -sure_of_one])


def test_a_class_that_the_holdout_lacks_is_compared_with_all_of_it() -> None:
    canaries = make_canaries(1, owners=[0], strata=[7])
    half = float(np.log(2))

    (score,) = canary_scores(np.array([half]), canaries, unseen([half, half], [0, 1]))

    assert score == pytest.approx(0.0)


def test_losses_that_are_densities_are_taken_as_they_are() -> None:
    canaries = make_canaries(2, owners=[0, 1], strata=[0, 0])

    scores = canary_scores(np.array([-1.0, -3.0]), canaries, unseen([-2.0, -2.0], [0, 0]))

    np.testing.assert_allclose(scores, [-1.0, 1.0])


def test_one_density_above_one_makes_densities_of_all() -> None:
    canaries = make_canaries(2, owners=[0, 1], strata=[0, 0])

    scores = canary_scores(np.array([1.0, 3.0]), canaries, unseen([-2.0, 2.0], [0, 0]))

    np.testing.assert_allclose(scores, [-1.0, -3.0])
