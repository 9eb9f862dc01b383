"""A route that cannot do what a job asks for is followed by a retrain, and the job says why."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from sqlalchemy.orm import Session

from app.ledger.states import JobState
from app.ledger.tables import Job
from tests.reports import stages
from tests.workers.test_what_jobs_teach import decided_next
from workers import steps
from workers.child_process import ChildFailed
from workers.desk import Desk


@dataclass
class Refusing(stages.FakeDesk):
    """Its child says no."""

    def ask(self, phase: str, **_: object) -> dict[str, Any]:
        raise ChildFailed(self.answers)


def refused(session: Session, code: str, **policy: Any) -> Job:
    """A job whose child refused to unlearn with this code."""
    job = stages.carried(session, stages.claimed(session, **policy), "begin", "assess")
    error = {"code": code, "detail": "2 samples are few", "final": True}
    steps.unlearn(cast(Desk, Refusing(session, job, error)))
    return job


@pytest.mark.parametrize(
    ("code", "words"), [("diverged", "rum diverged"), ("impossible", "rum cannot do this")]
)
def test_a_route_that_cannot_go_on_is_followed_by_a_retrain(
    session: Session, code: str, words: str
) -> None:
    job = refused(session, code, route="rum")

    assert job.decision is not None
    assert job.state is JobState.UNLEARNING
    assert (job.decision["route"], job.decision["escalated_from"]) == ("retrain", "rum")
    assert job.decision["reasons"] == [
        "The policy orders the route rum.",
        f"Retrained after all: {words}: 2 samples are few.",
    ]


@pytest.mark.parametrize(
    ("code", "route"), [("out_of_memory", "rum"), ("impossible", "retrain"), ("odd", "hamu")]
)
def test_what_a_retrain_cannot_mend_is_a_failure(session: Session, code: str, route: str) -> None:
    with pytest.raises(ChildFailed, match="2 samples are few"):
        refused(session, code, route=route)


def test_a_route_that_diverged_makes_the_next_escalation_more_likely(session: Session) -> None:
    job = refused(session, "diverged", route="hamu")
    stages.carried(session, job, "unlearn", "audit", "publish", route="retrain")

    decision = decided_next(session, job)

    assert decision["numbers"]["p_escalate"] == pytest.approx(2 / 3)
    assert decision["sources"]["numbers"]["p_escalate"] == "earlier jobs"
    assert decision["sources"]["numbers"]["cost_unlearn"] == "default"  # it left no time
