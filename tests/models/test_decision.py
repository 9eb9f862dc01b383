import dataclasses
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decision import decide
from models.decision_terms import Budgets, Costs, Policy, Route
from models.hardness.record import (
    Deficit,
    Entanglement,
    Hardness,
    Memorization,
    Proxy,
    Reconciliation,
    Shares,
    TargetRule,
)

FRESH = Budgets(rounds=0, share=0.0, max_rounds=10, max_share=0.1)
CHEAP = Costs(retrain=100, unlearn=10, audit=2, assess=1, p_escalate=0.2)


def make_hardness(**changed: Any) -> Hardness:
    """An easy request with references: much is owed, little stands in the way."""
    parts: dict[str, Any] = {
        "shares": Shares(count=20, total=0.01, strata={"3": 0.1}, left={"3": 180}),
        "deficit": Deficit(
            TargetRule.REFERENCE, mean=1.0, error=0.1, positive=1.0, owed=1.0, spread=0.1, exposed=1
        ),
        "reconciliation": make_reconciliation(kappa=-1.0),
        "entanglement": Entanglement(score=50.0, rank=0.5, random=50.0),
        "memorization": Memorization(Proxy.CONFIDENCE, mean=0.1, share=0.1),
        "samples": 20,
        "sample_passes": 100,
        "seconds": 0.1,
    }
    return Hardness(**{**parts, **changed})


def make_reconciliation(*, kappa: float, error: float = 0.1) -> Reconciliation:
    """Gradients of norm 2 and 1, whose κ2 is √3 at half the quota."""
    return Reconciliation(
        kappa=kappa,
        kappa_error=error,
        cosine=kappa / 2,
        cosine_error=error / 2,
        kappa1=-1.0,
        kappa2=3**0.5,
        beyond_kappa2_error=error,
        quota=0.5,
        block_cosines={"weight": kappa / 2},
        blocks_direct=0.0,
        blocks_degrading=0.0,
        predicted_harm=-0.5,
    )


def make_deficit(
    mean: float, *, exposed: float | None = 0.0, spread: float | None = 0.1, rule: str = "reference"
) -> Deficit:
    return Deficit(
        TargetRule(rule), mean=mean, error=0, positive=0.5, owed=0, spread=spread, exposed=exposed
    )


def route(hardness: Hardness, **changed: Any) -> Route:
    return decide(
        hardness,
        changed.get("costs", CHEAP),
        changed.get("budgets", FRESH),
        changed.get("policy", Policy()),
        time_left=changed.get("time_left"),
    ).route


@pytest.mark.parametrize(
    ("time_left", "expected"),
    [
        (None, Route.HAMU),  # nobody waits
        (114.0, Route.HAMU),  # 10 to unlearn, 2 to audit, 100 to retrain, 2 to audit that
        (113.9, Route.RETRAIN),
        (102.0, Route.RETRAIN),  # a retrain and its audit, and no more
        (101.9, Route.HAMU),  # not even a retrain is in time: unlearning may be
        (-1.0, Route.HAMU),
    ],
)
def test_a_due_date_that_leaves_no_room_for_a_failed_audit_is_retrained(
    time_left: float | None, expected: Route
) -> None:
    decision = decide(make_hardness(), CHEAP, FRESH, Policy(), time_left=time_left)

    assert decision.route is expected
    assert (decision.numbers["time_left"], decision.thresholds["time_needed"]) == (time_left, 114)
    assert ("is due in" in decision.reasons[0]) == (expected is Route.RETRAIN)


def test_an_audit_that_trains_its_own_yardstick_takes_that_time_too() -> None:
    compared = replace(CHEAP, yardstick=100)

    assert route(make_hardness(), time_left=200.0) is Route.HAMU
    assert route(make_hardness(), costs=compared, time_left=200.0) is Route.RETRAIN


@pytest.mark.parametrize(
    ("deficit", "said"),
    [
        (make_deficit(3.0), "owed: a mean deficit of 3, and 0.2 is where"),
        (make_deficit(-5.0, exposed=0.3), "owed: 30% of the samples are outside their own band"),
        (
            make_deficit(1.0, rule="matched", spread=None, exposed=None),
            "owed: a mean deficit of 1.",
        ),
        (
            make_deficit(-1.0, rule="matched", spread=None, exposed=None),
            "Only references could show none: a mean deficit of -1.",
        ),
    ],
)
def test_the_reason_to_unlearn_is_the_one_that_held(deficit: Deficit, said: str) -> None:
    decision = decide(make_hardness(deficit=deficit), CHEAP, FRESH, Policy())

    assert decision.route is Route.HAMU
    assert said in decision.reasons[0]


def test_what_owes_nothing_needs_no_time() -> None:
    inside = make_hardness(deficit=make_deficit(0.1))

    assert route(inside, time_left=105.0) is Route.NONE


def test_importing_the_decision_does_not_import_torch() -> None:
    code = "import sys, models.decision, models.hardness.record; sys.exit('torch' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], check=False)

    assert done.returncode == 0


def test_an_easy_request_is_unlearned_by_the_policys_method() -> None:
    assert route(make_hardness()) is Route.HAMU
    assert route(make_hardness(), policy=Policy(method=Route.RUM)) is Route.RUM


def test_nothing_is_done_where_mean_and_samples_are_inside_the_retrain_band() -> None:
    inside = make_hardness(deficit=make_deficit(0.19, exposed=0.05))

    decision = decide(inside, CHEAP, FRESH, Policy())

    assert decision.route is Route.NONE
    assert decision.reasons == (
        "The mean deficit 0.19 is inside the retrain band 0.2,"
        " and 5% of the samples are outside their own.",
    )


@pytest.mark.parametrize(
    "deficit",
    [
        pytest.param(make_deficit(0.21), id="the mean is outside"),
        pytest.param(make_deficit(0.0, exposed=0.06), id="too many samples are outside"),
        pytest.param(make_deficit(0.0, spread=None, exposed=None), id="the band is unknown"),
    ],
)
def test_something_is_done_where_the_band_is_left_or_unknown(deficit: Deficit) -> None:
    assert route(make_hardness(deficit=deficit)) is Route.HAMU


def test_what_no_audit_can_compare_is_retrained_unless_a_person_is_asked() -> None:
    half = Shares(count=20, total=0.01, strata={"3": 0.1}, left={"3": 180}, comparable=0.5)

    decision = decide(make_hardness(shares=half), CHEAP, FRESH, Policy(comparable_share=0.8))

    assert decision.route is Route.RETRAIN
    assert decision.reasons == (
        "An audit compares samples with unseen and kept ones of their strata. It can do so for"
        " 50% of these and needs 80%: they would be retrained in the end.",
    )
    assert decision.numbers["comparable_share"] == 0.5
    assert route(make_hardness(shares=half), policy=Policy(comparable_share=0.5)) is Route.HAMU


def test_what_no_audit_can_judge_is_retrained_unless_a_person_is_asked() -> None:
    few = make_hardness(deficit=make_deficit(0.0, exposed=0.0))

    decision = decide(few, CHEAP, FRESH, Policy(fewest=21))

    assert decision.route is Route.RETRAIN
    assert decision.reasons == (
        "An audit judges by 21 forgotten samples at least, and these are 20:"
        " they would be retrained in the end.",
    )
    assert route(few, policy=Policy(fewest=20)) is Route.NONE
    assert route(few) is Route.NONE


def test_without_references_a_missing_deficit_is_never_taken_for_forgetting() -> None:
    blind = make_deficit(-5.0, rule="matched", spread=None, exposed=None)

    assert route(make_hardness(deficit=blind)) is Route.HAMU


def test_without_references_memorized_samples_go_to_a_retrain() -> None:
    blind = make_deficit(1.0, rule="matched", spread=None, exposed=None)
    memorized = Memorization(Proxy.HOLDOUT, mean=3.0, share=0.21)

    assert route(make_hardness(deficit=blind, memorization=memorized)) is Route.RETRAIN
    assert route(make_hardness(deficit=blind, memorization=None)) is Route.RETRAIN
    assert route(make_hardness(memorization=memorized)) is Route.HAMU


def test_harm_has_to_be_certain_before_it_counts() -> None:
    barely = make_hardness(reconciliation=make_reconciliation(kappa=1.9, error=0.1))
    surely = make_hardness(reconciliation=make_reconciliation(kappa=1.95, error=0.1))

    assert route(barely) is Route.HAMU
    assert route(surely) is Route.RETRAIN


def test_a_gradient_lost_in_noise_proves_no_harm() -> None:
    lost = dataclasses.replace(make_reconciliation(kappa=5.0), cosine=None, kappa2=0.0)

    assert route(make_hardness(reconciliation=lost)) is Route.HAMU


def test_a_vanishing_class_goes_to_a_retrain_even_where_nothing_is_owed() -> None:
    vanishing = Shares(count=10, total=0.01, strata={"3": 1.0}, left={"3": 0})
    lenient = Policy(stratum_share=1.0)

    hardness = make_hardness(shares=vanishing, deficit=make_deficit(0.0))

    assert route(hardness) is Route.RETRAIN
    assert route(hardness, policy=lenient) is Route.RETRAIN


def test_each_drift_budget_alone_forces_a_retrain() -> None:
    assert route(make_hardness(), budgets=replace(FRESH, rounds=9)) is Route.HAMU
    assert route(make_hardness(), budgets=replace(FRESH, rounds=10)) is Route.RETRAIN
    assert route(make_hardness(), budgets=replace(FRESH, share=0.09)) is Route.HAMU
    assert route(make_hardness(), budgets=replace(FRESH, share=0.095)) is Route.RETRAIN


def test_a_jobs_share_is_one_of_what_earlier_jobs_have_left() -> None:
    hundredth = make_hardness()
    allowed = replace(FRESH, max_rounds=20, max_share=0.2)

    # 0.1915 + 0.01 · 0.8085 and 0.193 + 0.01 · 0.807; both are above 0.2 if a job counts whole.
    assert route(hundredth, budgets=replace(allowed, share=0.1915)) is Route.HAMU
    assert route(hundredth, budgets=replace(allowed, share=0.193)) is Route.RETRAIN


def test_a_forced_route_is_taken_and_the_numbers_are_still_on_record() -> None:
    decision = decide(make_hardness(), CHEAP, FRESH, Policy(route=Route.RETRAIN))

    assert decision.route is Route.RETRAIN
    assert decision.reasons == ("The policy orders the route retrain.",)
    assert decision.numbers["cost_expected"] == 32


def test_no_policy_can_order_that_nothing_be_done() -> None:
    with pytest.raises(ValueError, match="cannot order it"):
        Policy(route=Route.NONE)
    with pytest.raises(ValueError, match="not a way to unlearn"):
        Policy(method=Route.RETRAIN)


@given(
    retrain=st.floats(0, 1e6),
    unlearn=st.floats(0, 1e6),
    audit=st.floats(0, 1e6),
    p_escalate=st.floats(0, 1),
)
def test_unlearning_is_chosen_exactly_where_it_is_expected_to_cost_less(
    retrain: float, unlearn: float, audit: float, p_escalate: float
) -> None:
    costs = Costs(retrain, unlearn, audit, assess=0, p_escalate=p_escalate)

    chosen = route(make_hardness(), costs=costs)

    assert (chosen is Route.RETRAIN) == (unlearn + audit + p_escalate * retrain >= retrain)


@given(
    kappa=st.floats(-2, 2),
    mean=st.floats(-5, 5),
    left=st.integers(0, 100),
    rounds=st.integers(0, 20),
)
def test_every_decision_gives_a_reason_and_survives_json(
    kappa: float, mean: float, left: int, rounds: int
) -> None:
    hardness = make_hardness(
        reconciliation=make_reconciliation(kappa=kappa),
        deficit=make_deficit(mean),
        shares=Shares(count=10, total=0.01, strata={"3": 10 / (10 + left)}, left={"3": left}),
    )

    decision = decide(hardness, CHEAP, replace(FRESH, rounds=rounds), Policy())
    record = json.loads(json.dumps(dataclasses.asdict(decision), allow_nan=False))

    assert decision.reasons
    assert Route(record["route"]) is decision.route
    assert Hardness.of(json.loads(json.dumps(dataclasses.asdict(hardness)))) == hardness


@pytest.mark.parametrize(
    "broken", [{"unlearn": -1.0}, {"p_escalate": 1.5}, {"retrain": float("nan")}]
)
def test_impossible_costs_are_refused(broken: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"not negative|probability"):
        dataclasses.replace(CHEAP, **broken)
