"""How a job goes on after a person's word, and how it ends without a version."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.errors import IllegalTransition
from app.ledger import acts, batching, destroyed, jobs
from app.ledger.states import ACTIVE_JOB_STATES, JobState
from app.ledger.tables import Job
from app.ledger.transitions import move

OWNER = "operator"  # whoever runs the service has to look at what failed


def approve(session: Session, job: Job, *, now: datetime, holder: UUID | None = None) -> None:
    """Let a job go on that waits for a person: to its run, or after an audit that was unsure.

    Refused to the `holder` of a key who asked for the job, or for a request that it carries out.
    """
    session.refresh(job, with_for_update={"of": Job})
    if job.state is not JobState.AWAITING_APPROVAL:
        raise IllegalTransition(f"job {job.id} is {job.state}; it does not wait for approval")
    acts.refuse_same_person(session, job, holder)
    following = JobState.PUBLISHING if job.audit else after_decision(job)
    job.attempt = 0  # the claim that led here did not fail
    by = {"by": str(holder)} if holder else {}
    move(session, job, following, now=now, approved=True, **by)


def after_decision(job: Job) -> JobState:
    """Where a decided job goes: nothing has to be run for the route `none`."""
    assert job.decision is not None
    return JobState.AUDITING if job.decision["route"] == "none" else JobState.UNLEARNING


def ask_to_cancel(session: Session, job: Job, *, now: datetime, retry_seconds: float) -> None:
    """Cancel a job at once if nobody works on it, else have its worker stop."""
    session.refresh(job, with_for_update={"of": Job})
    if job.state not in ACTIVE_JOB_STATES or job.state is JobState.PUBLISHING:
        raise IllegalTransition(f"job {job.id} is {job.state}; it can no longer be cancelled")
    job.cancel_asked_at = now
    if job.lease_until is None or job.lease_until < now:
        cancel(session, job, now=now, retry_seconds=retry_seconds)


def let_wait(session: Session, job: Job, *, now: datetime, retry_seconds: float) -> None:
    """A job that waits for a person is held by no worker.

    One that somebody asked to cancel meanwhile waits for nobody: no heartbeat would see that.
    """
    if job.state is not JobState.AWAITING_APPROVAL:
        return
    if job.cancel_asked_at is None:
        jobs.release(session, job)
    else:
        cancel(session, job, now=now, retry_seconds=retry_seconds)


def cancel(session: Session, job: Job, *, now: datetime, retry_seconds: float) -> None:
    """End a job that somebody asked to cancel; its erasures wait for the next one."""
    abandon(
        session, job, JobState.CANCELLED, now=now, retry_seconds=retry_seconds, reason="cancelled"
    )


def call_off(session: Session, job: Job, *, now: datetime, reason: str) -> None:
    """End a job that has lost its purpose; its erasures can be batched again at once."""
    abandon(session, job, JobState.CANCELLED, now=now, retry_seconds=0.0, reason=reason)


def fail_attempt(
    session: Session,
    job: Job,
    error: dict[str, Any],
    *,
    now: datetime,
    max_attempts: int,
    retry_seconds: float,
) -> None:
    """After an attempt that failed: back off and try again, or fail for good with an owner.

    An error that says `"final": true` would only repeat itself.
    """
    job.error = error
    if job.attempt < max_attempts and not error.get("final", False):
        jobs.release(session, job, not_before=now + back_off(job.attempt))
        return
    abandon(
        session,
        job,
        JobState.FAILED,
        now=now,
        retry_seconds=retry_seconds,
        reason=str(error["code"]),
    )


def back_off(attempt: int) -> timedelta:
    """1, 2, 4, … seconds, at most five minutes."""
    return timedelta(seconds=min(2.0 ** (attempt - 1), 300.0))


def abandon(
    session: Session,
    job: Job,
    state: JobState,
    *,
    now: datetime,
    retry_seconds: float,
    reason: str,
) -> None:
    """End a job without a version; its erasures are pending again, with a timer."""
    told: dict[str, Any] = {"reason": reason, "owner": OWNER}
    if gone := destroyed.so_far(job):
        told["destroyed"] = gone
    jobs.finish(session, job, state, now=now, **told)
    batching.give_back(
        session, job, not_before=now + timedelta(seconds=retry_seconds), now=now, reason=reason
    )
