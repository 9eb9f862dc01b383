"""Turns a model's pending erasures into one job, when the policy says it is time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, joinedload

from app.bitmap import Bitmap
from app.ledger import (
    durations,
    jobs,
    model_lines,
    references,
    riders,
    starting,
    training_logs,
    versions,
    withdrawing,
)
from app.ledger.policy import Policy
from app.ledger.requests import settle
from app.ledger.states import ErasureState
from app.ledger.tables import DeletionRequest, Erasure, Job, Model, ModelVersion
from app.ledger.transitions import move


def models_with_pending(session: Session, *, now: datetime) -> Sequence[UUID]:
    """Models that have erasures to batch."""
    return session.scalars(
        select(Erasure.model_id).where(*ready(now)).distinct().order_by(Erasure.model_id)
    ).all()


def batch(session: Session, model_id: UUID, *, now: datetime, flush: bool = False) -> Job | None:
    """Make a job of the model's pending erasures, if it is time and no other job is active.

    An operator's `flush` makes it time, also for what waits after a failure. Erasures whose samples
    no live version holds are cleared.
    """
    line = model_lines.by_id(session, model_id)
    model_lines.lock(session, model_id)  # two clerks must not batch the same erasures
    if jobs.active_for(session, model_id) is not None:
        return None
    if (parent := versions.live(session, model_id)) is None:
        return None
    which = (Erasure.state == ErasureState.PENDING,) if flush else ready(now)
    waiting = locked(session, Erasure.model_id == model_id, *which)
    erasures = clear_unneeded(session, line, waiting, parent, now=now)
    if not erasures:
        return None
    lasting = durations.predicted(durations.measured(session, model_id))
    if not (flush or time_has_come(erasures, Policy.of(line.policy), lasting=lasting, now=now)):
        return None
    taken = fitting(erasures, parent)
    if not taken:
        hold(session, erasures[0], now=now)
        return None
    return make_job(session, line, parent, taken, now=now)


def ready(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Conditions on erasures that may be batched now."""
    return (
        Erasure.state == ErasureState.PENDING,
        or_(Erasure.not_before.is_(None), Erasure.not_before <= now),
    )


def locked(session: Session, *which: ColumnElement[bool]) -> Sequence[Erasure]:
    """Erasures that meet these conditions, oldest first, with their requests locked.

    A request has erasures at several models. It is locked before they are read, so that of two
    models that end at once the second sees where the first stands, and always in the order of
    ids, so that they never wait for each other.
    """
    requests = session.scalars(
        select(DeletionRequest.id)
        .where(DeletionRequest.id.in_(select(Erasure.request_id).where(*which)))
        .order_by(DeletionRequest.id)
        .with_for_update()
    ).all()
    return session.scalars(
        select(Erasure)
        .where(Erasure.request_id.in_(requests), *which)
        .order_by(Erasure.created_at, Erasure.id)
        .options(joinedload(Erasure.request).selectinload(DeletionRequest.erasures))
    ).all()


def clear_unneeded(
    session: Session,
    line: Model,
    erasures: Sequence[Erasure],
    parent: ModelVersion,
    *,
    now: datetime,
) -> list[Erasure]:
    """Close erasures of samples that the live version has not seen; returns the others.

    It never saw them, or an earlier job has carried them out. Older versions that did see them are
    withdrawn all the same.
    """
    needed: list[Erasure] = []
    for erasure in erasures:
        if erasure.samples & parent.training_set:
            needed.append(erasure)
        else:
            withdrawing.withdraw_those_that_saw(session, line, erasure.samples, parent, now=now)
            references.forget(session, line.id, erasure.samples)
            training_logs.forget(session, line.id, erasure.samples)
            move(session, erasure, ErasureState.CLEARED, now=now)
            settle(session, erasure.request, now=now)
    return needed


def latest_start(
    erasures: Sequence[Erasure], policy: Policy, *, lasting: timedelta = durations.UNKNOWN
) -> datetime:
    """When a job that takes so long must begin, to end the policy's margin before any due date."""
    due = min(erasure.due_at for erasure in erasures)
    return due - lasting - timedelta(seconds=policy.due_margin_seconds)


def time_has_come(
    erasures: Sequence[Erasure],
    policy: Policy,
    *,
    now: datetime,
    lasting: timedelta = durations.UNKNOWN,
) -> bool:
    """Whether one of the policy's triggers holds, for a job that is predicted to take so long."""
    if now >= latest_start(erasures, policy, lasting=lasting):
        return True
    if len({erasure.request_id for erasure in erasures}) < policy.min_subjects:
        return False
    waited = now - min(erasure.created_at for erasure in erasures)
    return (
        waited >= timedelta(seconds=policy.max_wait_seconds)
        or len(union(erasures)) >= policy.max_samples
    )


def fitting(erasures: Sequence[Erasure], parent: ModelVersion) -> list[Erasure]:
    """The longest run of oldest erasures that leaves the successor something to be trained on."""
    taken: list[Erasure] = []
    total = Bitmap()
    for erasure in erasures:
        total |= erasure.samples
        if parent.training_set <= total:
            break
        taken.append(erasure)
    return taken


def hold(session: Session, erasure: Erasure, *, now: datetime) -> None:
    """Leave an erasure to a person: what remains of the model's data is all to be forgotten."""
    move(
        session,
        erasure,
        ErasureState.ON_HOLD,
        now=now,
        reason="nothing would remain to train a successor on",
        owner="operator",
    )
    settle(session, erasure.request, now=now)


def union(erasures: Sequence[Erasure]) -> Bitmap:
    """All samples of these erasures."""
    total = Bitmap()
    for erasure in erasures:
        total |= erasure.samples
    return total


def make_job(
    session: Session, line: Model, parent: ModelVersion, erasures: list[Erasure], *, now: datetime
) -> Job:
    """Queue one job for these erasures; canaries ride with it, as part of its forget set."""
    start = starting.start_for(session, line, parent, union(erasures))
    window = riders.window(session, start.version, start.forget_set)
    job = jobs.queue_unlearning(
        session,
        line,
        start.version,
        start.forget_set | riders.riding(window),
        due_at=min(erasure.due_at for erasure in erasures),
        now=now,
    )
    riders.spend(session, job, window, now=now)
    for erasure in erasures:
        erasure.job_id = job.id
        move(session, erasure, ErasureState.BATCHED, now=now, job=str(job.id))
        settle(session, erasure.request, now=now)
    return job


def give_back(
    session: Session, job: Job, *, not_before: datetime | None, now: datetime, reason: str
) -> None:
    """After a job that came to nothing: its erasures are pending again, nothing is dropped."""
    riders.take_back(session, job)
    for erasure in locked(session, Erasure.job_id == job.id):
        erasure.job_id = None
        erasure.not_before = not_before
        move(session, erasure, ErasureState.PENDING, now=now, reason=reason)
        settle(session, erasure.request, now=now)
