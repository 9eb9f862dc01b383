import subprocess
import sys
from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.auditing.attacks import Separation
from models.auditing.evidence import Attack, Doubts, Drop, Evidence, Leak, Yardstick
from models.auditing.finding import Verdict
from models.auditing.intervals import Interval, around
from models.auditing.power import chance_margin, detectable, forgotten_needed
from models.auditing.verdict import Judgement, Thresholds, judge

# What no audit can show, whatever it measured (methods/verification.md, 4.3).
NOT_TO_BE_SAID = ("erased", "gdpr", "compliant", "no leak ", "cannot be recovered", "ε", "certif")


def found(leak: float, *, forgotten: int = 100, unseen: int = 400) -> Separation:
    """An attack's finding, with the variance that chance gives to so many samples."""
    parts = (1 / forgotten / 12, 1 / unseen / 12)
    return Separation(around(leak, sum(parts) ** 0.5, forgotten - 1), forgotten, unseen, *parts)


def make_leak(
    after: float,
    *,
    attack: Attack = Attack.LOSS,
    before: float = 0.35,
    yardstick: Yardstick = Yardstick.HELD_OUT,
    paired: bool = False,
    forgotten: int = 100,
    unseen: int = 400,
) -> Leak:
    return Leak(
        attack,
        yardstick,
        paired,
        found(after, forgotten=forgotten, unseen=unseen),
        found(before, forgotten=forgotten, unseen=unseen),
    )


def make_drop(
    estimate: float, *, low: float | None = None, high: float | None = None, whole: bool = True
) -> Drop:
    interval = Interval(
        estimate,
        estimate - 0.01 if low is None else low,
        estimate + 0.01 if high is None else high,
    )
    return Drop("test", "parent", interval, whole)


def make_evidence(
    *,
    leaks: tuple[Leak, ...] = (make_leak(0.0),),
    drops: tuple[Drop, ...] = (make_drop(0.0),),
    route: str = "hamu",
    movement: float = 0.01,
    finite: bool = True,
    forgotten: int = 100,
    matched_share: float = 1.0,
    kept_share: float = 1.0,
) -> Evidence:
    return Evidence(
        route, finite, movement, forgotten, matched_share, leaks, drops, kept_share=kept_share
    )


def verdict_of(evidence: Evidence) -> Verdict:
    return judge(evidence, Thresholds()).verdict


def told(judgement: Judgement) -> str:
    return " ".join(judgement.sentences)


def test_a_network_that_looks_like_one_that_never_saw_them_passes() -> None:
    judgement = judge(make_evidence(), Thresholds())

    assert judgement.verdict is Verdict.PASS
    assert "A leak of 0.08 would have been seen with 80 % power." in told(judgement)


def test_a_network_that_remembers_escalates() -> None:
    judgement = judge(make_evidence(leaks=(make_leak(0.3),)), Thresholds())

    assert judgement.verdict is Verdict.ESCALATE
    assert "look remembered" in told(judgement)


def test_a_network_pushed_too_far_escalates() -> None:
    judgement = judge(make_evidence(leaks=(make_leak(-0.3),)), Thresholds())

    assert judgement.verdict is Verdict.ESCALATE
    assert "pushed further than forgotten" in told(judgement)


@pytest.mark.parametrize(
    ("leak", "look"), [(0.3, "more alike than unseen ones"), (-0.3, "split into extremes")]
)
def test_losses_of_another_shape_escalate_though_none_is_higher(leak: float, look: str) -> None:
    leaks = (make_leak(0.0), make_leak(leak, attack=Attack.SPREAD))

    judgement = judge(make_evidence(leaks=leaks), Thresholds())

    assert judgement.verdict is Verdict.ESCALATE
    assert look in told(judgement)


def test_a_leak_on_the_border_is_neither_passed_nor_condemned() -> None:
    assert verdict_of(make_evidence(leaks=(make_leak(0.1),))) is Verdict.INCONCLUSIVE


def test_one_attack_that_succeeds_is_enough() -> None:
    leaks = (make_leak(0.0), make_leak(0.3))

    assert verdict_of(make_evidence(leaks=leaks)) is Verdict.ESCALATE


def test_too_few_samples_say_how_many_it_takes() -> None:
    leak = make_leak(0.1, forgotten=25)

    judgement = judge(make_evidence(leaks=(leak,), forgotten=25), Thresholds())

    assert judgement.verdict is Verdict.INCONCLUSIVE
    needed = forgotten_needed(leak.after, Thresholds().widest_margin, confidence=0.9)
    assert needed is not None
    assert 40 < needed < 60
    assert f"about {needed} forgotten samples" in told(judgement)
    enough = make_leak(0.0, forgotten=needed)
    assert verdict_of(make_evidence(leaks=(enough,), forgotten=needed)) is Verdict.PASS


def test_a_handful_of_samples_is_never_judged_by() -> None:
    leak = replace(make_leak(0.0, forgotten=5), after=found(0.0, forgotten=10**6))

    judgement = judge(make_evidence(leaks=(leak,), forgotten=5), Thresholds())

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "5 forgotten samples are too few" in told(judgement)


def test_too_few_unseen_samples_are_not_mended_by_forgetting_more() -> None:
    judgement = judge(make_evidence(leaks=(make_leak(0.0, unseen=6),)), Thresholds())

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "too few unseen samples" in told(judgement)


def test_forgotten_samples_without_unseen_ones_of_their_class_hold_the_verdict_back() -> None:
    judgement = judge(make_evidence(matched_share=0.5), Thresholds())

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "Only 50% of the forgotten samples" in told(judgement)


def test_a_class_that_goes_as_a_whole_holds_the_verdict_back_unless_it_was_retrained() -> None:
    whole = judge(make_evidence(kept_share=0.0), Thresholds())
    retrained = judge(make_evidence(kept_share=0.0, route="retrain"), Thresholds())

    assert (whole.verdict, retrained.verdict) == (Verdict.INCONCLUSIVE, Verdict.PASS)
    assert "100% of the forgotten samples are of strata that lose more than they keep" in told(
        whole
    )


@pytest.mark.parametrize("missing", ["leaks", "drops"])
def test_what_was_not_measured_is_not_passed(missing: str) -> None:
    evidence = make_evidence(leaks=()) if missing == "leaks" else make_evidence(drops=())

    assert verdict_of(evidence) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("route", ["hamu", "nabla_tau", "rum", "retrain"])
def test_weights_that_did_not_move_fail_whatever_the_attacks_say(route: str) -> None:
    judgement = judge(make_evidence(route=route, movement=0.0), Thresholds())

    assert judgement.verdict is Verdict.ESCALATE
    assert f"did not move (0 of their length), though the route was `{route}`" in told(judgement)


def test_weights_that_were_to_stay_may() -> None:
    assert verdict_of(make_evidence(route="none", movement=0.0)) is Verdict.PASS


def test_weights_that_were_to_stay_and_moved_escalate() -> None:
    judgement = judge(make_evidence(route="none", movement=0.1), Thresholds())

    assert judgement.verdict is Verdict.ESCALATE
    assert "yet the weights moved" in told(judgement)


def test_a_network_left_as_it_was_is_attacked_all_the_same() -> None:
    evidence = make_evidence(route="none", movement=0.0, leaks=(make_leak(0.3, before=0.3),))

    assert verdict_of(evidence) is Verdict.ESCALATE


@pytest.mark.parametrize(
    "evidence",
    [make_evidence(finite=False), make_evidence(movement=nan), make_evidence(movement=inf)],
)
def test_values_that_are_not_finite_escalate_at_once(evidence: Evidence) -> None:
    judgement = judge(evidence, Thresholds())

    assert judgement.verdict is Verdict.ESCALATE
    assert judgement.sentences == ("The new network holds or gives values that are not finite.",)


def test_a_loss_of_utility_escalates() -> None:
    judgement = judge(make_evidence(drops=(make_drop(0.2),)), Thresholds())

    assert judgement.verdict is Verdict.ESCALATE
    assert "0.200 below the parent's [0.190, 0.210], more than the 0.06 allowed" in told(judgement)


def test_a_loss_of_utility_that_may_be_noise_is_inconclusive() -> None:
    assert verdict_of(make_evidence(drops=(make_drop(0.1, low=-0.05),))) is Verdict.INCONCLUSIVE


def test_a_gain_of_utility_passes() -> None:
    assert verdict_of(make_evidence(drops=(make_drop(-0.1),))) is Verdict.PASS


def test_a_class_that_broke_escalates_though_the_whole_set_hides_it() -> None:
    broken = make_drop(0.5, low=0.3, whole=False)

    assert verdict_of(make_evidence(drops=(make_drop(0.01), broken))) is Verdict.ESCALATE


def test_a_class_of_few_samples_does_not_decide_by_chance() -> None:
    noisy = make_drop(0.25, low=-0.2, whole=False)

    assert verdict_of(make_evidence(drops=(make_drop(0.01), noisy))) is Verdict.PASS


def test_a_parent_that_passes_as_well_is_said_to_show_nothing() -> None:
    leak = make_leak(0.0, before=0.01)

    judgement = judge(make_evidence(leaks=(leak,)), Thresholds())

    assert judgement.verdict is Verdict.PASS
    assert "this audit cannot show that anything was forgotten" in told(judgement)


def test_one_attack_that_worked_on_the_parent_shows_that_something_was_forgotten() -> None:
    leaks = (make_leak(0.0), make_leak(0.0, before=0.0, attack=Attack.SPREAD))

    assert "cannot show" not in told(judge(make_evidence(leaks=leaks), Thresholds()))


def test_a_retrain_of_odd_samples_passes_where_0_5_is_the_only_yardstick() -> None:
    leak = make_leak(-0.25, before=0.2)

    judgement = judge(make_evidence(route="retrain", leaks=(leak,)), Thresholds())

    assert judgement.verdict is Verdict.PASS
    assert "how they differ from held-out samples" in told(judgement)


def test_a_retrain_of_one_person_is_not_held_up_by_too_few_samples() -> None:
    leak = make_leak(0.0, forgotten=5)

    evidence = make_evidence(route="retrain", leaks=(leak,), forgotten=5, matched_share=0.6)

    assert verdict_of(evidence) is Verdict.PASS


def test_a_retrain_that_leaks_as_much_as_its_parent_is_held_back() -> None:
    judgement = judge(
        make_evidence(route="retrain", leaks=(make_leak(0.3, before=0.3),)), Thresholds()
    )

    assert judgement.verdict is Verdict.INCONCLUSIVE
    assert "or the training saw them" in told(judgement)


def test_a_retrain_of_odd_samples_passes_beside_a_reference_too() -> None:
    leak = make_leak(0.25, before=0.45, yardstick=Yardstick.REFERENCE, paired=True)

    retrained, unlearned = (
        judge(make_evidence(route=route, leaks=(leak,)), Thresholds())
        for route in ("retrain", "hamu")
    )

    assert retrained.verdict is Verdict.PASS
    assert "how two trainings differ on them" in told(retrained)
    assert unlearned.verdict is Verdict.ESCALATE


def test_what_chance_finds_among_people_widens_the_margin_and_condemns_nobody() -> None:
    odd = replace(make_leak(0.15), noise=0.08)
    after = odd.after.at_least(odd.noise, confidence=0.9)

    alone, among_people = (
        verdict_of(make_evidence(leaks=(leak,)))
        for leak in (make_leak(0.15), replace(odd, after=after))
    )

    assert alone is Verdict.ESCALATE
    assert among_people is Verdict.INCONCLUSIVE


def test_without_references_it_is_said_why_and_what_cannot_be_seen() -> None:
    alone = judge(replace(make_evidence(), unasked="3 of 12 have been trained"), Thresholds())
    beside = make_leak(0.0, yardstick=Yardstick.REFERENCE, paired=True)

    assert alone.verdict is Verdict.PASS
    assert "No network that never saw them could be asked (3 of 12 have been trained)" in told(
        alone
    )
    assert "cannot tell memory from people who are easier" in told(alone)
    assert "could be asked" not in told(judge(make_evidence(leaks=(beside,)), Thresholds()))


def test_a_paired_leak_is_held_to_its_share_of_the_margin() -> None:
    thresholds = Thresholds(paired_share=0.5)

    paired, alone = (thresholds.margin(make_leak(0.0, paired=paired)) for paired in (True, False))

    assert paired == 0.5 * alone


def test_the_margin_around_chance_is_as_tight_as_the_samples_allow() -> None:
    thresholds = Thresholds()

    margins = [
        thresholds.margin(make_leak(0.0, forgotten=forgotten, unseen=unseen))
        for forgotten, unseen in ((10, 400), (100, 400), (10**5, 10**5))
    ]

    assert margins == [
        thresholds.widest_margin,
        chance_margin(100, 400, confidence=0.9),
        thresholds.narrowest_margin,
    ]


def test_the_detectable_leak_is_the_textbook_sum_of_quantiles() -> None:
    separation = replace(found(0.0), forgotten_variance=0.0009, unseen_variance=0.0016)

    assert detectable(separation, confidence=0.95) == pytest.approx(
        (1.96 + 0.8416) * 0.05, abs=1e-4
    )


@given(
    after=st.floats(-0.5, 0.5),
    before=st.floats(-0.5, 0.5),
    forgotten=st.integers(2, 500),
    drop=st.floats(-1, 1),
    movement=st.sampled_from([0.0, 1e-9, 0.1]),
    route=st.sampled_from(["none", "hamu", "retrain"]),
    paired=st.booleans(),
)
def test_sentences_keep_to_what_may_be_said(
    after: float,
    before: float,
    forgotten: int,
    drop: float,
    movement: float,
    route: str,
    paired: bool,
) -> None:
    leak = make_leak(after, before=before, forgotten=forgotten, paired=paired)
    evidence = make_evidence(
        leaks=(leak,), drops=(make_drop(drop),), route=route, movement=movement, forgotten=forgotten
    )

    judgement = judge(evidence, Thresholds())

    assert judgement.sentences
    assert not [word for word in NOT_TO_BE_SAID if word in told(judgement).lower()]


@pytest.mark.parametrize("route", ["hamu", "retrain"])
@pytest.mark.parametrize("tiny", [-1e-9, -0.0, -0.0004])
def test_what_rounds_to_zero_is_told_without_a_minus_sign(route: str, tiny: float) -> None:
    leak = make_leak(tiny, before=tiny)
    doubts = Doubts(suspicion=Interval(tiny, 0.1, tiny))
    drop = make_drop(tiny, low=tiny, high=tiny)
    evidence = replace(make_evidence(leaks=(leak,), drops=(drop,), route=route), doubts=doubts)

    judgement = judge(evidence, Thresholds())

    assert "lies +0.00 from" in told(judgement)
    assert "AUC +0.00 from chance [+0.10, +0.00]" in told(judgement)
    assert "is 0.000 below the parent's [0.000, 0.000]" in told(judgement)
    assert "-0.00" not in told(judgement)


@given(leak=st.floats(-0.5, 0.5), further=st.floats(0, 0.5))
def test_a_larger_leak_never_fares_better(leak: float, further: float) -> None:
    order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.ESCALATE]
    larger = leak + further if leak >= 0 else leak - further

    small, large = (
        verdict_of(make_evidence(leaks=(make_leak(value),))) for value in (leak, larger)
    )

    assert order.index(small) <= order.index(large)


def test_a_verdict_needs_no_torch() -> None:
    program = "import sys, models.auditing.verdict; sys.exit('torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
