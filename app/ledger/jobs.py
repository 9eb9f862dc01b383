"""Jobs: the queue in Postgres. Claims, leases and fences; every write of a worker is guarded."""

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, or_, select, tuple_, update
from sqlalchemy.orm import Session, joinedload

from app.bitmap import Bitmap
from app.errors import Conflict, UnknownJob
from app.evidence.canonical import Json
from app.ledger import stored_weights
from app.ledger.states import (
    ACTIVE_JOB_STATES,
    CLAIMABLE_JOB_STATES,
    LOW_PRIORITY,
    JobKind,
    JobState,
)
from app.ledger.tables import Erasure, Job, Model, ModelVersion
from app.ledger.transitions import create, move

# A model has one active job of these at most. The others wait for none and keep none waiting.
MAKING_VERSIONS = (JobKind.TRAIN, JobKind.UNLEARN)
SEED_BITS = 48  # a seed must survive JSON numbers


class LeaseLost(Exception):
    """Another worker has the job, or nobody may have it any more: stop, and write nothing."""


def queue_training(session: Session, line: Model, training_set: Bitmap, *, now: datetime) -> Job:
    """Ask for a model's first version, trained on these samples."""
    return add(session, line, JobKind.TRAIN, training_set=training_set, now=now)


def queue_unlearning(
    session: Session,
    line: Model,
    parent: ModelVersion,
    forget_set: Bitmap,
    *,
    due_at: datetime,
    now: datetime,
) -> Job:
    """Ask for the successor of a version, without the samples of the forget set."""
    return add(
        session,
        line,
        JobKind.UNLEARN,
        training_set=parent.training_set - forget_set,
        forget_set=forget_set,
        parent=parent,
        due_at=due_at,
        now=now,
    )


def add(
    session: Session,
    line: Model,
    kind: JobKind,
    *,
    training_set: Bitmap,
    now: datetime,
    forget_set: Bitmap | None = None,
    parent: ModelVersion | None = None,
    due_at: datetime | None = None,
) -> Job:
    """Put a job into the queue; the database allows one active job per model."""
    if kind in MAKING_VERSIONS and (active := active_for(session, line.id)) is not None:
        raise Conflict(f"job {active.id} of {line.name!r} is active; retry after it has ended")
    job = Job(
        model_id=line.id,
        kind=kind,
        state=JobState.QUEUED,
        parent_version_id=parent.id if parent else None,
        forget_set=forget_set or Bitmap(),
        training_set=training_set,
        seed=secrets.randbits(SEED_BITS),
        due_at=due_at,
        created_at=now,
        progress={},
    )
    create(session, job, now=now, kind=kind.value, model=line.name, forget=len(job.forget_set))
    return job


def active_for(
    session: Session, model_id: UUID, kinds: Collection[JobKind] = MAKING_VERSIONS
) -> Job | None:
    """The model's active job among those of these kinds."""
    return session.scalar(
        select(Job).where(
            Job.model_id == model_id, Job.state.in_(ACTIVE_JOB_STATES), Job.kind.in_(kinds)
        )
    )


def active_of(session: Session, model_ids: Iterable[UUID]) -> dict[UUID, UUID]:
    """By model: the id of its active job; models without one are left out."""
    rows = session.execute(
        select(Job.model_id, Job.id).where(
            Job.model_id.in_(model_ids),
            Job.state.in_(ACTIVE_JOB_STATES),
            Job.kind.in_(MAKING_VERSIONS),
        )
    )
    return dict(rows.all())


def all_active(session: Session) -> set[UUID]:
    """Every job that has not ended."""
    return set(session.scalars(select(Job.id).where(Job.state.in_(ACTIVE_JOB_STATES))))


def forgetting(session: Session, samples: Mapping[UUID, Bitmap]) -> bool:
    """Whether a job under way is to forget some of these samples, by dataset."""
    rows = session.execute(
        select(Model.dataset_id, Job.forget_set)
        .join(Model, Model.id == Job.model_id)
        .where(Model.dataset_id.in_(samples), Job.state.in_(ACTIVE_JOB_STATES))
    )
    return any(samples[dataset_id] & forget_set for dataset_id, forget_set in rows)


def due_date(session: Session, job: Job) -> datetime | None:
    """When the first of its erasures is due: later than at its queueing, where that was extended.

    None where nobody waits for it.
    """
    return session.scalar(select(func.min(Erasure.due_at)).where(Erasure.job_id == job.id))


def get(session: Session, job_id: UUID) -> Job:
    """The job of this id."""
    job = session.scalar(select(Job).where(Job.id == job_id).options(joinedload(Job.model)))
    if job is None:
        raise UnknownJob("there is no job with this id")
    return job


def listed(
    session: Session,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    state: JobState | None = None,
    model_id: UUID | None = None,
    ids: Collection[UUID] | None = None,
) -> Sequence[Job]:
    """Jobs, newest first, those after a place in that order."""
    query = select(Job).options(joinedload(Job.model))
    if ids is not None:
        query = query.where(Job.id.in_(ids))
    if state is not None:
        query = query.where(Job.state == state)
    if model_id is not None:
        query = query.where(Job.model_id == model_id)
    place = tuple_(Job.created_at, Job.id)
    if after is not None:
        query = query.where(place < after)
    return session.scalars(query.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit)).all()


def due(session: Session, *, now: datetime) -> Sequence[UUID]:
    """Jobs that nobody works on and that may be claimed now: first due first, low priority last."""
    return session.scalars(
        select(Job.id)
        .where(Job.state.in_(CLAIMABLE_JOB_STATES), free(now))
        .order_by(Job.kind.in_(LOW_PRIORITY), Job.due_at.nulls_last(), Job.created_at)
    ).all()


def others_wait(session: Session, job: Job, *, now: datetime) -> bool:
    """Whether a job that is not of low priority is due and has no worker."""
    query = select(Job.id).where(
        Job.state.in_(CLAIMABLE_JOB_STATES),
        free(now),
        Job.id != job.id,
        Job.kind.not_in(LOW_PRIORITY),
    )
    return session.scalar(query.limit(1)) is not None


def free(now: datetime) -> Any:
    """Not under a lease, and not waiting after a failure."""
    return or_(Job.lease_until.is_(None), Job.lease_until < now) & (
        or_(Job.not_before.is_(None), Job.not_before <= now)
    )


def claim(
    session: Session,
    job_id: UUID,
    *,
    worker: str,
    incarnation: UUID,
    lease_seconds: float,
    now: datetime,
) -> Job | None:
    """Take a job for this worker; None if another has it, it is done, or it gives way to others.

    A message may be delivered twice, so losing the race is normal and not an error.
    """
    job = session.scalar(
        select(Job)
        .where(Job.id == job_id, Job.state.in_(CLAIMABLE_JOB_STATES), free(now))
        .options(joinedload(Job.model).joinedload(Model.dataset))
        .with_for_update(skip_locked=True, of=Job)
    )
    if job is None or (job.kind in LOW_PRIORITY and others_wait(session, job, now=now)):
        return None
    job.attempt += 1
    job.fence += 1
    job.worker = worker
    job.incarnation = incarnation
    job.lease_until = now + timedelta(seconds=lease_seconds)
    job.not_before = None
    job.started_at = job.started_at or now
    session.flush()
    return job


def renew(
    session: Session,
    job_id: UUID,
    fence: int,
    *,
    progress: dict[str, Any],
    lease_seconds: float,
    now: datetime,
) -> bool:
    """Keep the lease and show progress; returns whether somebody asked to cancel the job."""
    asked = session.execute(
        update(Job)
        .where(Job.id == job_id, Job.fence == fence, Job.lease_until.is_not(None))
        .values(lease_until=now + timedelta(seconds=lease_seconds), progress=progress)
        .returning(Job.cancel_asked_at)
    ).one_or_none()
    if asked is None:
        raise LeaseLost(f"job {job_id}: fence {fence} is out of date")
    return asked.cancel_asked_at is not None


def held(session: Session, job_id: UUID, fence: int) -> Job:
    """The job, locked, if this fence still holds it: before every write of a worker."""
    job = session.scalar(
        select(Job)
        .where(Job.id == job_id, Job.fence == fence, Job.lease_until.is_not(None))
        .options(joinedload(Job.model).joinedload(Model.dataset))
        .with_for_update(of=Job)
        .execution_options(populate_existing=True)
    )
    if job is None:
        raise LeaseLost(f"job {job_id}: fence {fence} is out of date")
    return job


def release(session: Session, job: Job, *, not_before: datetime | None = None) -> None:
    """Give the lease back, for instance to wait for a person or before another attempt."""
    job.lease_until = None
    job.not_before = not_before


def let_go(session: Session, job: Job) -> None:
    """Give back a job whose claim did well: the next one is a first attempt."""
    job.attempt = 0
    release(session, job)


def finish(session: Session, job: Job, state: JobState, *, now: datetime, **facts: Json) -> None:
    """Bring a job to its end; what it stored and has not published is to be removed."""
    move(session, job, state, now=now, **facts)
    stored_weights.release(session, job, now=now)
    job.finished_at = now
    release(session, job)
