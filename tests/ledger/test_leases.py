"""The queue in Postgres: claims, leases, fences, back-off, ends."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.errors import IllegalTransition
from app.ledger import batching, endings, jobs
from app.ledger.jobs import LeaseLost
from app.ledger.states import (
    ACTIVE_JOB_STATES,
    CLAIMABLE_JOB_STATES,
    ErasureState,
    JobState,
    RequestState,
)
from app.ledger.tables import Job
from app.ledger.transitions import move
from tests.factories import (
    NOW,
    claim,
    make_dataset,
    make_erasure,
    make_job,
    make_model,
    make_training,
    make_version,
)

SECOND = timedelta(seconds=1)
OOM = {"code": "child_died", "detail": "signal SIGKILL"}


def fail(session: Session, job: Job, error: dict[str, Any] = OOM) -> None:
    endings.fail_attempt(session, job, error, now=NOW, max_attempts=3, retry_seconds=60.0)


def in_state(session: Session, state: JobState) -> Job:
    """An unlearning job with a decision, brought along some path to a state."""
    job = make_job(session)
    job.decision = {"route": "hamu"}
    path = [JobState.ASSESSING, JobState.AWAITING_APPROVAL, JobState.UNLEARNING, JobState.AUDITING]
    for step in [*path, JobState.PUBLISHING]:
        if job.state is not state:
            move(session, job, step, now=NOW)
    assert job.state is state
    return job


def test_a_claim_gives_a_lease_and_a_higher_fence(session: Session) -> None:
    job = make_training(session)

    claimed = claim(session, job, worker="w", lease=30.0)

    assert claimed is job
    assert (job.attempt, job.fence, job.worker) == (1, 1, "w")
    assert (job.lease_until, job.started_at) == (NOW + 30 * SECOND, NOW)


def test_a_job_under_a_lease_is_not_due(session: Session) -> None:
    job = make_training(session)
    assert jobs.due(session, now=NOW) == [job.id]

    claim(session, job, lease=30.0)

    assert jobs.due(session, now=NOW + 30 * SECOND) == []
    assert claim(session, job, now=NOW + 30 * SECOND) is None


def test_an_expired_lease_can_be_taken_and_the_old_fence_no_longer_counts(session: Session) -> None:
    job = make_training(session)
    claim(session, job, worker="dead", lease=30.0)
    later = NOW + 31 * SECOND

    assert jobs.due(session, now=later) == [job.id]
    assert claim(session, job, worker="new", now=later) is not None

    assert (job.attempt, job.fence, job.worker) == (2, 2, "new")
    with pytest.raises(LeaseLost):
        jobs.held(session, job.id, 1)
    with pytest.raises(LeaseLost):
        jobs.renew(session, job.id, 1, progress={}, lease_seconds=30.0, now=later)
    assert jobs.held(session, job.id, 2) is job


def test_a_heartbeat_keeps_the_lease_and_shows_progress(session: Session) -> None:
    job = make_training(session)
    claim(session, job, lease=30.0)

    asked = jobs.renew(
        session, job.id, 1, progress={"share": 0.5}, lease_seconds=30.0, now=NOW + 29 * SECOND
    )

    session.refresh(job)
    assert asked is False
    assert (job.lease_until, job.progress) == (NOW + 59 * SECOND, {"share": 0.5})
    assert claim(session, job, now=NOW + 58 * SECOND) is None


def test_a_new_state_is_not_shown_as_far_as_the_one_before(session: Session) -> None:
    job = make_training(session)
    claim(session, job, lease=30.0)
    move(session, job, JobState.TRAINING, now=NOW)
    jobs.renew(session, job.id, 1, progress={"share": 1.0}, lease_seconds=30.0, now=NOW)
    session.refresh(job)

    move(session, job, JobState.PUBLISHING, now=NOW)

    session.refresh(job)
    assert job.progress == {}


@pytest.mark.parametrize("state", list(JobState))
def test_a_job_can_be_claimed_unless_it_waits_for_a_person_or_has_ended(
    session: Session, state: JobState
) -> None:
    kind_of_its_own = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, JobState.TRAINING}
    if state in kind_of_its_own:
        job = make_training(session)
        move(session, job, JobState.TRAINING, now=NOW)
        if state is JobState.SUCCEEDED:
            move(session, job, JobState.PUBLISHING, now=NOW)
        if state is not JobState.TRAINING:
            jobs.finish(session, job, state, now=NOW)
    else:
        job = in_state(session, state)

    assert (claim(session, job) is not None) == (state in CLAIMABLE_JOB_STATES)
    assert (jobs.active_for(session, job.model_id) is job) == (state in ACTIVE_JOB_STATES)


def test_the_job_that_is_due_first_comes_first(session: Session) -> None:
    dataset = make_dataset(session)
    lines = [make_model(session, dataset, name) for name in ("a", "b", "c")]
    training = make_training(session, lines[0])
    later, sooner = (make_job(session, parent=make_version(session, line)) for line in lines[1:])
    sooner.due_at = NOW

    assert jobs.due(session, now=NOW) == [sooner.id, later.id, training.id]


def test_a_failed_attempt_backs_off_and_doubles(session: Session) -> None:
    job = make_training(session)
    claim(session, job)

    fail(session, job)

    assert (job.state, job.lease_until, job.error) == (JobState.QUEUED, None, OOM)
    assert jobs.due(session, now=NOW + 0.9 * SECOND) == []
    assert claim(session, job, now=NOW + SECOND) is not None
    fail(session, job)
    assert job.not_before == NOW + 2 * SECOND


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1), (2, 2), (5, 16), (9, 256), (50, 300)])
def test_back_off_doubles_up_to_five_minutes(attempt: int, seconds: int) -> None:
    assert endings.back_off(attempt) == seconds * SECOND


def test_the_last_attempt_fails_the_job_and_gives_its_erasures_back(session: Session) -> None:
    line_id = make_version(session).model_id
    erasure = make_erasure(session, "ada")
    job = batching.batch(session, line_id, now=NOW, flush=True)
    assert job is not None
    for attempt in range(3):
        assert claim(session, job, now=NOW + attempt * 10 * SECOND) is not None
        fail(session, job)

    assert (job.state, job.finished_at, job.lease_until) == (JobState.FAILED, NOW, None)
    assert job.error == OOM
    assert (erasure.state, erasure.job_id) == (ErasureState.PENDING, None)
    assert erasure.not_before == NOW + 60 * SECOND
    assert erasure.request.state is RequestState.ACCEPTED
    assert batching.models_with_pending(session, now=NOW + 60 * SECOND) == [line_id]


def test_an_error_that_would_repeat_itself_fails_the_job_at_once(session: Session) -> None:
    job = make_training(session)
    claim(session, job)

    fail(session, job, {"code": "impossible", "detail": "no such class", "final": True})

    assert (job.state, job.attempt) == (JobState.FAILED, 1)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.AWAITING_APPROVAL, JobState.AUDITING])
def test_a_job_that_nobody_works_on_is_cancelled_at_once(session: Session, state: JobState) -> None:
    job = in_state(session, state)

    endings.ask_to_cancel(session, job, now=NOW, retry_seconds=60.0)

    assert (job.state, job.finished_at) == (JobState.CANCELLED, NOW)


def test_a_job_whose_worker_is_gone_is_cancelled_at_once(session: Session) -> None:
    job = make_training(session)
    claim(session, job, lease=30.0)

    endings.ask_to_cancel(session, job, now=NOW + 31 * SECOND, retry_seconds=60.0)

    assert job.state is JobState.CANCELLED
    with pytest.raises(LeaseLost):
        jobs.held(session, job.id, 1)


def test_a_running_job_is_cancelled_by_its_worker(session: Session) -> None:
    job = make_training(session)
    claim(session, job)

    endings.ask_to_cancel(session, job, now=NOW, retry_seconds=60.0)

    assert job.state is JobState.QUEUED
    assert jobs.renew(session, job.id, 1, progress={}, lease_seconds=30.0, now=NOW)


def test_a_job_that_is_being_published_cannot_be_cancelled(session: Session) -> None:
    job = in_state(session, JobState.PUBLISHING)

    with pytest.raises(IllegalTransition):
        endings.ask_to_cancel(session, job, now=NOW, retry_seconds=60.0)


@pytest.mark.parametrize(
    ("route", "audit", "following"),
    [
        ("hamu", None, JobState.UNLEARNING),
        ("retrain", None, JobState.UNLEARNING),
        ("none", None, JobState.AUDITING),
        ("hamu", {"verdict": "inconclusive"}, JobState.PUBLISHING),
    ],
)
def test_an_approved_job_goes_on_where_it_stopped(
    session: Session, route: str, audit: dict[str, Any] | None, following: JobState
) -> None:
    job = in_state(session, JobState.AWAITING_APPROVAL)
    job.decision, job.audit, job.attempt = {"route": route}, audit, 3
    session.flush()

    endings.approve(session, job, now=NOW)

    assert (job.state, job.attempt) == (following, 0)
    assert claim(session, job) is not None


@pytest.mark.parametrize("state", [s for s in CLAIMABLE_JOB_STATES if s != JobState.TRAINING])
def test_only_a_job_that_waits_can_be_approved(session: Session, state: JobState) -> None:
    job = in_state(session, state)
    job.decision = None  # there is none before the job was assessed

    with pytest.raises(IllegalTransition, match="does not wait for approval"):
        endings.approve(session, job, now=NOW)
