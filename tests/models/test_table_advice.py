from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.decision_terms import Budgets, Costs, Policy
from models.hardness.record import Hardness, Memorization, Proxy
from models.table_advice import Advice, table_advice
from tests.models.test_decision import FRESH, make_deficit, make_hardness

COSTS = Costs(retrain=100, unlearn=10, audit=2, assess=1, p_escalate=0.2)


def without_table(*, memorized: float = 0.1) -> Hardness:
    return make_hardness(
        deficit=make_deficit(1.0, rule="matched", spread=None, exposed=None),
        memorization=Memorization(Proxy.CONFIDENCE, mean=0.1, share=memorized),
    )


def advised(hardness: Hardness, *, budgets: Budgets = FRESH, **changed: Any) -> Advice:
    usual: dict[str, Any] = {"aimed_costs": COSTS, "table_cost": 9.0, "trains_reference": True}
    found = table_advice(hardness, COSTS, budgets, Policy(), **usual | changed)
    assert found is not None
    return found


def test_where_audits_train_a_reference_each_job_saves_that_retrain() -> None:
    found = advised(without_table())

    assert (found.saved, found.jobs, found.expected) == (1.0, 9, 10)
    assert found.sentence == (
        "A reference table would cost 9 retrains and pay after 9 jobs like this one; the budgets "
        "allow 10 before the next retrain: it pays."
    )


def test_a_job_that_is_blind_without_a_table_saves_its_own_retrain() -> None:
    found = advised(without_table(memorized=0.9))

    # 100 + 2 as it is, 10 + 2 + 0.2 * 100 with references.
    assert found.saved == pytest.approx(0.7)
    assert found.jobs == 13
    assert "it does not pay by cost alone" in found.sentence


def test_a_table_saves_nothing_where_nothing_is_trained_for_audits() -> None:
    found = advised(without_table(), trains_reference=False)

    assert (found.saved, found.jobs, found.pays) == (0.0, None, False)
    assert found.sentence.endswith("save nothing on a job like this one.")


def test_a_job_that_must_be_retrained_all_the_same_saves_nothing() -> None:
    spent = replace(FRESH, rounds=10)

    found = advised(without_table(memorized=0.9), budgets=spent)

    assert (found.saved, found.jobs, found.expected) == (0.0, None, 0)


def test_fewer_escalations_are_a_saving_too() -> None:
    sure = replace(COSTS, p_escalate=0.1)

    found = advised(without_table(), aimed_costs=sure, trains_reference=False)

    assert found.saved == pytest.approx(0.1)
    assert "pay after 90 jobs" in found.sentence


def test_a_model_with_a_table_needs_no_advice() -> None:
    assert (
        table_advice(
            make_hardness(),
            COSTS,
            FRESH,
            Policy(),
            aimed_costs=COSTS,
            table_cost=9.0,
            trains_reference=True,
        )
        is None
    )


@given(rounds=st.integers(0, 12), share=st.floats(0, 0.12), size=st.floats(0.001, 0.1))
def test_as_many_jobs_are_expected_as_the_budgets_allow(
    rounds: int, share: float, size: float
) -> None:
    budgets, usual = replace(FRESH, rounds=rounds, share=share), without_table()
    hardness = replace(usual, shares=replace(usual.shares, total=size))

    found = advised(hardness, budgets=budgets)

    left = found.expected
    assert 0 <= left <= budgets.max_rounds
    assert left == 0 or rounds + left <= budgets.max_rounds
    assert left == 0 or share + left * size * (1 - share) <= budgets.max_share + 1e-6
