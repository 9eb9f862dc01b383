"""What a retrain has that other routes have not: it may be ordered late, and may leave out more."""

from typing import Any

from sqlalchemy.orm import Session

from app.ledger import canary_renewal, jobs, latecomers, versions
from app.ledger.tables import Job
from models.decision_terms import Route
from workers import deciding
from workers.desk import Desk


def is_due_too_soon(desk: Desk, session: Session, job: Job) -> bool:
    """Whether the route was changed, as the due date leaves no more room for a failed audit."""
    reason = deciding.due_too_soon_by_now(session, job, clock=desk.station.clock)
    if reason is not None:
        order(job, reason[0].lower() + reason[1:].removesuffix("."), tried=False)
    return reason is not None


def leaves_out_more(desk: Desk, session: Session, job: Job) -> bool:
    """Whether the job was let go, to be claimed anew with a smaller training set.

    What the child has before it was laid there at the claim. The next claim is for the retrain
    itself and does not look at requests again, and coins are renewed once a job: so it is let go
    twice at most.
    """
    if not latecomers.about_to_retrain(job):
        return False
    late = not desk.assignment.retrains and bool(latecomers.samples(session, job))
    again = late or canary_renewal.renew(session, job, now=desk.station.clock())
    if again:
        jobs.let_go(session, job)
    return again


def left_out(session: Session, job: Job) -> int:
    """How many samples of the parent the job neither keeps nor was made to forget."""
    assert job.parent_version_id is not None
    parent = versions.by_id(session, job.parent_version_id)
    return len(parent.training_set - job.training_set - job.forget_set)


def order(job: Job, reason: str, *, tried: bool = True) -> None:
    """Change the route to `retrain`; what was decided and run before stays on the record.

    `tried`: whether the route before was run, or refused: later decisions learn from that.
    """
    assert job.decision is not None
    before = {key: value for key, value in (job.run or {}).items() if key != "earlier"}
    if before:
        verdict = {"audit": None if job.audit is None else brief(job.audit)}
        job.run = before | {"earlier": [*(job.run or {}).get("earlier", []), before | verdict]}
    job.decision = job.decision | {
        "route": Route.RETRAIN.value,
        "escalated_from": job.decision["route"],
        "tried": tried,
        "reasons": [*job.decision["reasons"], f"Retrained after all: {reason}."],
    }


def brief(report: dict[str, Any]) -> dict[str, Any]:
    """What of an overruled audit is kept."""
    kept = ("verdict", "sentences", "numbers", "seconds", "reference_seconds", "destroyed")
    return {key: report[key] for key in kept if key in report}
