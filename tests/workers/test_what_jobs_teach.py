"""What a model's own jobs cost, and how often an audit sent them back, is what the next expects."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.ledger import batching
from app.ledger.tables import Job
from tests import factories
from tests.reports import stages
from workers import retraining


def escalated(session: Session) -> Job:
    """A job that the audit sent back, and that was then retrained and published."""
    job = stages.claimed(session)
    stages.carried(session, job, "begin", "assess", "unlearn", "audit", verdict="escalate")
    again = stages.ran("retrain", seconds=4.0)
    return stages.carried(
        session, job, "unlearn", "audit", "publish", route="retrain", unlearn=again
    )


def decided_next(session: Session, past: Job) -> dict[str, Any]:
    """The record of the decision on the model's next job."""
    factories.make_request(session, "ben")
    job = batching.batch(session, past.model_id, now=stages.NOW, flush=True)
    assert job is not None
    factories.claim(session, job)
    session.refresh(job, ["model"])
    stages.carried(session, job, "begin", "assess")
    assert job.decision is not None
    return job.decision


def test_an_escalation_makes_the_next_more_likely(session: Session) -> None:
    decision = decided_next(session, escalated(session))

    assert decision["numbers"]["p_escalate"] == pytest.approx(2 / 3)
    assert decision["sources"]["numbers"]["p_escalate"] == "earlier jobs"


def test_a_job_that_passed_makes_it_less_likely(session: Session) -> None:
    decision = decided_next(session, stages.succeeded(session))

    assert decision["numbers"]["p_escalate"] == pytest.approx(1 / 3)


def of_a_size(session: Session, past: Job, times: float) -> Job:
    """The same job, had it forgotten so many times as much of the training set."""
    assert past.hardness is not None
    shares = past.hardness["shares"]
    past.hardness = past.hardness | {"shares": shares | {"total": times * shares["total"]}}
    session.flush()
    return past


@pytest.mark.parametrize("times", [10, 1 / 10])
def test_a_job_on_a_set_of_another_size_says_less(session: Session, times: float) -> None:
    decision = decided_next(session, of_a_size(session, escalated(session), times))

    assert decision["numbers"]["p_escalate"] == pytest.approx((0.1 + 1) / (0.1 + 2))
    assert decision["sources"]["numbers"]["p_escalate"] == "earlier jobs"


def test_a_job_that_had_nothing_to_do_teaches_nothing_and_stops_nothing(session: Session) -> None:
    decision = decided_next(session, stages.untouched(session))

    assert decision["sources"]["numbers"]["p_escalate"] == "default"


def test_a_route_that_was_given_up_for_want_of_time_teaches_nothing(session: Session) -> None:
    job = stages.claimed(session)
    stages.carried(session, job, "begin", "assess")
    retraining.order(job, "the earliest request is due soon", tried=False)
    ran = stages.ran("retrain", seconds=4.0)
    stages.carried(session, job, "unlearn", "audit", "publish", route="retrain", unlearn=ran)

    decision = decided_next(session, job)

    assert decision["numbers"]["p_escalate"] == 0.5
    assert decision["sources"]["numbers"]["p_escalate"] == "default"


def test_runs_that_were_sent_back_count_among_what_the_method_costs(session: Session) -> None:
    past = escalated(session)
    numbers = decided_next(session, past)["numbers"]

    assert past.audit is not None
    assert numbers["cost_unlearn"] == pytest.approx(1.5)  # of the first run, not of the retrain
    assert numbers["cost_audit"] == pytest.approx(past.audit["seconds"])
    assert numbers["cost_expected"] == pytest.approx(
        numbers["cost_unlearn"] + numbers["cost_audit"] + 2 / 3 * numbers["cost_retrain"]
    )
