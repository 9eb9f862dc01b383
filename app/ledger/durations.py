"""How long a model's jobs take, by those that came to a version, and when what it owes is done."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, false, or_, select
from sqlalchemy.orm import Session

from app.ledger import jobs
from app.ledger.states import ErasureState, JobKind, JobState
from app.ledger.tables import Erasure, Job

LOOK_BACK = 20  # jobs that a prediction rests on
FEWEST = 3  # fewer jobs than this foretell nothing
HIGH = 0.95  # the share of them that took no longer than is predicted
UNKNOWN = timedelta()  # the policy's margin is all that there is then


def measured(session: Session, model_id: UUID) -> list[timedelta]:
    """What the model's last jobs took from their batch to their version, newest first.

    It counts what they waited for workers and for people, because the next job may wait as well.
    """
    rows = session.execute(
        select(Job.created_at, Job.finished_at)
        .where(
            Job.model_id == model_id,
            Job.kind == JobKind.UNLEARN,
            Job.state == JobState.SUCCEEDED,
        )
        .order_by(Job.finished_at.desc())
        .limit(LOOK_BACK)
    )
    return [finished - created for created, finished in rows if finished is not None]


def predicted(durations: Sequence[timedelta]) -> timedelta:
    """The least of these that so many did not exceed; UNKNOWN where there are too few."""
    if len(durations) < FEWEST:
        return UNKNOWN
    return sorted(durations)[math.ceil(HIGH * len(durations)) - 1]


def end(lasting: timedelta, *, now: datetime, busy_since: datetime | None, rides: bool) -> datetime:
    """When an erasure is carried out: by the job under way where it rides in it, else by the next.

    `busy_since`: when that job was made. One that takes longer than predicted may end any moment.
    """
    free = now if busy_since is None else max(now, busy_since + lasting)
    return free if rides else free + lasting


def too_late(session: Session, *, now: datetime) -> ColumnElement[bool]:
    """A condition on erasures: their due date is to come, and before the predicted end."""
    owing = session.scalars(
        select(Erasure.model_id)
        .where(Erasure.state.in_((ErasureState.PENDING, ErasureState.BATCHED)))
        .distinct()
    ).all()
    return or_(false(), *(of_model(session, model_id, now=now) for model_id in owing))


def of_model(session: Session, model_id: UUID, *, now: datetime) -> ColumnElement[bool]:
    """The condition for one model's erasures."""
    lasting = predicted(measured(session, model_id))
    if lasting == UNKNOWN:
        return false()
    active = jobs.active_for(session, model_id, (JobKind.UNLEARN,))
    since = None if active is None else active.created_at
    riding, waiting = (
        end(lasting, now=now, busy_since=since, rides=rides) for rides in (True, False)
    )
    return (
        (Erasure.model_id == model_id)
        & (Erasure.due_at >= now)
        & or_(
            (Erasure.state == ErasureState.BATCHED) & (Erasure.due_at < riding),
            (Erasure.state == ErasureState.PENDING) & (Erasure.due_at < waiting),
        )
    )
