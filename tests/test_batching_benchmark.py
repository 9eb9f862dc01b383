"""The simulation behind benchmarks/results/batching.txt keeps to what can be reckoned by hand."""

import random

import pytest

from app.ledger.policy import Policy
from benchmarks.batching.simulation import ASSESS, AUDIT, UNLEARN, World, arrivals, simulate

QUIET = World(per_day=0.2, escalated=0.0)


def test_everybody_is_carried_out_once_and_the_same_seed_brings_the_same_year() -> None:
    first, again = (simulate(Policy(), QUIET, seed=1) for _ in range(2))

    assert first == again
    assert len(first.waited) > 30
    assert first.jobs <= len(first.waited)


def test_a_job_that_starts_at_once_takes_what_unlearning_takes() -> None:
    policy = Policy(
        max_wait_seconds=0.0,
        max_rounds=10**6,
        max_forgotten_share=1.0,
        on_inconclusive="approve",  # else so few samples are retrained
    )

    outcome = simulate(policy, QUIET, seed=2)

    # Before the first audits it is not known that none escalates, and 0.5 is assumed of them.
    assert outcome.cost == pytest.approx(outcome.jobs * (ASSESS + AUDIT + UNLEARN))
    assert min(outcome.waited) == pytest.approx((ASSESS + AUDIT + UNLEARN) * 8 / 24)


def test_forced_retrains_cost_a_retrain_each() -> None:
    outcome = simulate(Policy(max_wait_seconds=0.0, route="retrain"), QUIET, seed=2)

    assert outcome.cost == pytest.approx(outcome.jobs * (1 + ASSESS + AUDIT), rel=0.01)


def test_waiting_costs_less_and_nobody_waits_past_the_due_date() -> None:
    at_once = simulate(Policy(max_wait_seconds=0.0), QUIET, seed=3)
    late = simulate(Policy(max_wait_seconds=1e8), QUIET, seed=3)

    assert late.cost < at_once.cost / 3
    assert max(late.waited) > 20
    assert late.late == 0


def test_bursts_come_on_top_of_a_steady_stream() -> None:
    moments = arrivals(random.Random(0), 10.0)

    assert moments == sorted(moments)
    assert len(moments) > 365 * 10
