"""Claims a job and carries it as far as it goes; whatever happens, the ledger knows afterwards."""

from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from app import crashing
from app.db import transaction
from app.ledger import calibrations, checks, endings, jobs, latecomers, worker_modes
from app.ledger.jobs import LeaseLost
from app.ledger.lineage import Incomplete
from app.ledger.states import ACTIVE_JOB_STATES, JobKind, JobState
from app.ledger.tables import Job
from app.ledger.worker_tables import Mode
from workers import nursery
from workers.child_process import Child, ChildDied, ChildFailed
from workers.desk import Assignment, Desk
from workers.heart import Heart
from workers.limits import Limits, OverLimit, Watch
from workers.station import Station
from workers.steps import STEPS
from workers.work_folders import clear, remove_states, work_folder

log = structlog.get_logger()


def run_job(station: Station, job_id: UUID) -> None:
    """Claim the job and work on it; called twice with one id, the second call finds nothing."""
    clear(station)
    forking = (
        nursery.own()
    )  # before the claim: loading torch takes seconds, and no heart beats in them
    assignment = claim(station, job_id)
    if assignment is None:
        return
    log.info("claimed", job=str(job_id), fence=assignment.fence)
    with (
        work_folder(station, job_id, assignment.fence) as folder,
        Child(folder, forking) as child,
        Watch(child.pid, Limits.of(station.settings, assignment.kind), child.kill) as watch,
        Heart(station, job_id, assignment.fence, child.kill) as heart,
    ):
        desk = Desk(station, assignment, folder, child, heart)
        try:
            carry(desk)
        except LeaseLost:
            log.warning("lease_lost", job=str(job_id), fence=assignment.fence)
        except Exception as error:
            give_up(desk, watch.reason(error))


def claim(station: Station, job_id: UUID) -> Assignment | None:
    """Take the job; one that has used up its attempts is failed instead."""
    with transaction(station.sessions) as session:
        if worker_modes.of(session, station.name) is not None:
            return None
        job = jobs.claim(
            session,
            job_id,
            worker=station.name,
            incarnation=station.incarnation,
            lease_seconds=station.settings.lease_seconds,
            now=station.clock(),
        )
        if job is None:
            return None
        if job.attempt > station.settings.max_attempts:
            failed_attempt(station, session, job, dict(job.error or EXHAUSTED))
            return None
        if job.kind is JobKind.CALIBRATE:
            calibrations.follow(session, job)
        if job.kind is JobKind.CHECK and (reason := checks.impossible(session, job)):
            endings.call_off(session, job, now=station.clock(), reason=reason)
            return None
        if latecomers.about_to_retrain(job):
            latecomers.leave_out(session, job)
        assignment = Assignment.of(session, job)
        crashing.at("claim.before_commit")
    crashing.at("claim.after_commit")
    return assignment


# For a worker that died on every attempt, so that nobody was left to write down why.
EXHAUSTED = {
    "code": "attempts_exhausted",
    "detail": "every worker that took the job up died on it; look at memory and at the logs",
}


def carry(desk: Desk) -> None:
    """Step after step, until the job has ended, waits for a person, or was given back."""
    desk.open()
    while (state := held_state(desk)) is not None:
        STEPS[desk.assignment.kind][state](desk)
        remove_states(desk.folder)
        if drained(desk):
            break
    log.info("let_go", job=str(desk.assignment.job_id))


def drained(desk: Desk) -> bool:
    """Whether the worker was told to let go of its jobs, and has done so with this one."""
    with transaction(desk.station.sessions) as session:
        if worker_modes.of(session, desk.station.name) is not Mode.DRAINING:
            return False
        job = jobs.get(session, desk.assignment.job_id)
        if job.fence == desk.assignment.fence and job.state in ACTIVE_JOB_STATES:
            jobs.let_go(session, job)
        return True


def held_state(desk: Desk) -> JobState | None:
    """The job's state while this worker has it, else None."""
    with transaction(desk.station.sessions) as session:
        job = jobs.get(session, desk.assignment.job_id)
        ours = job.fence == desk.assignment.fence and job.lease_until is not None
        return job.state if ours else None


def give_up(desk: Desk, error: Exception) -> None:
    """Write down why an attempt failed, or that it was cancelled, if the job is still ours."""
    if desk.heart.lost:
        log.warning("lease_lost", job=str(desk.assignment.job_id))
        return
    try:
        with desk.held() as (session, job):
            if desk.heart.cancelled:
                endings.cancel(
                    session,
                    job,
                    now=desk.station.clock(),
                    retry_seconds=desk.station.settings.retry_seconds,
                )
            else:
                failed_attempt(desk.station, session, job, described(error))
    except LeaseLost:
        log.warning("lease_lost", job=str(desk.assignment.job_id))


def failed_attempt(station: Station, session: Session, job: Job, error: dict[str, Any]) -> None:
    """Back off, or fail for good; the reason is kept on the job either way."""
    log.error("attempt_failed", job=str(job.id), attempt=job.attempt, code=error["code"])
    endings.fail_attempt(
        session,
        job,
        error,
        now=station.clock(),
        max_attempts=station.settings.max_attempts,
        retry_seconds=station.settings.retry_seconds,
    )


def described(error: Exception) -> dict[str, Any]:
    """An attempt's failure as the job row keeps it."""
    if isinstance(error, ChildFailed):
        return error.error
    if isinstance(error, ChildDied):
        return {"code": "child_died", "detail": str(error)}
    if isinstance(error, OverLimit):
        return {"code": error.code, "detail": str(error)}
    if isinstance(error, Incomplete):
        return {"code": "incomplete", "detail": str(error), "final": True}
    log.exception("unexpected")
    return {"code": "unexpected", "detail": f"{type(error).__name__}: {error}"}
