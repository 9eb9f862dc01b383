"""Looks for broken invariants of states, jobs, entries and clocks: I1, I2, I4 and I7."""

from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import String, and_, cast, exists, func, literal, or_, select, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, selectinload

from app.ledger.clock_tables import DueMark, Extension, Urgency
from app.ledger.identification_tables import Identification
from app.ledger.log_tables import LedgerEntry, LedgerPayload, StateEdge
from app.ledger.requests import following
from app.ledger.states import (
    ACTIVE_JOB_STATES,
    FINAL_REQUEST_STATES,
    ErasureState,
    JobKind,
    JobState,
    RequestState,
)
from app.ledger.surroundings import Surroundings
from app.ledger.tables import DeletionRequest, Erasure, Job, ModelVersion
from app.ledger.transitions import MACHINES
from app.ledger.verification import examine

SWEPT = timedelta(minutes=10)  # by then a clerk that runs has stated that a due date has passed
MAKING = (JobKind.TRAIN, JobKind.UNLEARN)


def unsettled(session: Session, _: Surroundings) -> Iterator[str]:
    """I1: requests whose state is not the one that their erasures imply, so that none follows."""
    requests = session.scalars(
        select(DeletionRequest)
        .where(DeletionRequest.state.not_in(FINAL_REQUEST_STATES))
        .options(selectinload(DeletionRequest.erasures))
    )
    timed = set(session.scalars(select(Identification.request_id)))
    for request in requests:
        if request.state is RequestState.VERIFYING and request.id in timed:
            continue  # it owes nothing yet, and lapses on a day that is known
        if (implied := following(request)) is not request.state:
            yield f"request {request.id} is {request.state}; its erasures say {implied}"


def dropped(session: Session, _: Surroundings) -> Iterator[str]:
    """I1: erasures that wait for a job which has ended, so that nobody will carry them out."""
    rows = session.execute(
        select(Erasure.id, Job.id, Job.state)
        .outerjoin(Job, Job.id == Erasure.job_id)
        .where(
            Erasure.state == ErasureState.BATCHED,
            or_(Job.id.is_(None), Job.state.not_in(ACTIVE_JOB_STATES)),
        )
    )
    for erasure_id, job_id, state in rows:
        yield f"erasure {erasure_id} is batched, and its job {job_id} is {state or 'missing'}"


def unowned(session: Session, _: Surroundings) -> Iterator[str]:
    """I1: jobs that failed, and nobody was named who has to look at it."""
    payload = cast(LedgerPayload.payload, JSONB)
    failed = session.scalars(
        select(LedgerEntry.row_id)
        .join(LedgerPayload, LedgerPayload.entry_id == LedgerEntry.id)
        .where(LedgerEntry.kind == "job.failed", ~payload.has_key("owner"))
    )
    for job_id in failed:
        yield f"job {job_id} failed, and has no owner"


def late(session: Session, around: Surroundings) -> Iterator[str]:
    """I1: open requests whose due date has passed, which was stated nowhere."""
    marked = exists().where(
        DueMark.request_id == DeletionRequest.id,
        DueMark.due_at == DeletionRequest.due_at,
        DueMark.urgency == Urgency.OVERDUE,
    )
    overdue = session.execute(
        select(DeletionRequest.id, DeletionRequest.due_at).where(
            DeletionRequest.state.not_in(FINAL_REQUEST_STATES),
            DeletionRequest.due_at < around.now - SWEPT,
            ~marked,
        )
    )
    for request_id, due_at in overdue:
        yield f"request {request_id} was due {due_at.isoformat()}, and nobody was told"


def doubled(session: Session, _: Surroundings) -> Iterator[str]:
    """I2: jobs that have more than one version."""
    rows = session.execute(
        select(ModelVersion.job_id, func.count())
        .where(ModelVersion.job_id.is_not(None))
        .group_by(ModelVersion.job_id)
        .having(func.count() > 1)
    )
    for job_id, count in rows:
        yield f"job {job_id} has {count} versions"


def crowded(session: Session, _: Surroundings) -> Iterator[str]:
    """I2: models for which more than one job makes a version."""
    rows = session.execute(
        select(Job.model_id, func.count())
        .where(Job.state.in_(ACTIVE_JOB_STATES), Job.kind.in_(MAKING))
        .group_by(Job.model_id)
        .having(func.count() > 1)
    )
    for model_id, count in rows:
        yield f"model {model_id} has {count} active jobs"


def without_version(session: Session, _: Surroundings) -> Iterator[str]:
    """I2: jobs that succeeded without a version, and versions of jobs that did not succeed."""
    rows = session.execute(
        select(Job.id, Job.state, ModelVersion.id)
        .outerjoin(ModelVersion, ModelVersion.job_id == Job.id)
        .where(
            Job.kind.in_(MAKING),
            (Job.state == JobState.SUCCEEDED) != ModelVersion.id.is_not(None),
        )
    )
    for job_id, state, version_id in rows:
        yield f"job {job_id} is {state}, and its version is {version_id or 'missing'}"


def unstated(session: Session, _: Surroundings) -> Iterator[str]:
    """I4: rows that have more or fewer entries than steps, or whose last entry is another state."""
    for table, machine in MACHINES.items():
        counted = (
            select(
                LedgerEntry.row_id,
                func.count().label("entries"),
                func.count(LedgerEntry.revision.distinct()).label("revisions"),
                func.max(LedgerEntry.revision).label("last"),
            )
            .where(LedgerEntry.machine == machine)
            .group_by(LedgerEntry.row_id)
            .subquery()
        )
        steps = table.revision + 1
        last_says = exists().where(
            LedgerEntry.machine == machine,
            LedgerEntry.row_id == table.id,
            LedgerEntry.revision == table.revision,
            LedgerEntry.kind == literal(f"{machine}.") + cast(table.state, String),
        )
        rows = session.execute(
            select(table.id, table.state, steps, func.coalesce(counted.c.entries, 0))
            .outerjoin(counted, counted.c.row_id == table.id)
            .where(
                or_(
                    counted.c.row_id.is_(None),
                    counted.c.entries != steps,
                    counted.c.revisions != steps,
                    counted.c.last != table.revision,
                    ~last_says,
                )
            )
        )
        for row_id, state, taken, entries in rows:
            yield f"{machine} {row_id} is {state} after {taken} steps, with {entries} entries"


def misstated(session: Session, _: Surroundings) -> Iterator[str]:
    """I4: entries that state a step which is not allowed."""
    state = func.substr(LedgerEntry.kind, func.length(LedgerEntry.machine) + 2)
    steps = (
        select(
            LedgerEntry.machine,
            LedgerEntry.row_id,
            state.label("new"),
            func.lag(state, 1, "")
            .over(
                partition_by=(LedgerEntry.machine, LedgerEntry.row_id),
                order_by=LedgerEntry.revision,
            )
            .label("old"),
        )
        .where(LedgerEntry.machine.in_(MACHINES.values()), LedgerEntry.revision.is_not(None))
        .subquery()
    )
    allowed = exists().where(
        StateEdge.machine == steps.c.machine,
        StateEdge.old_state == steps.c.old,
        StateEdge.new_state == steps.c.new,
    )
    for machine, row_id, new, old in session.execute(select(steps).where(~allowed)):
        yield f"{machine} {row_id} went from {old!r} to {new!r}, which is no step"


def unsigned(session: Session, around: Surroundings) -> Iterator[str]:
    """I4: whatever of the log does not fit what was signed."""
    yield from examine(session, around.keys, kept=around.kept).faults


def moved_later(session: Session, _: Surroundings) -> Iterator[str]:
    """I7: requests, and their erasures, that are due later than what was stated for them."""
    stated = (
        select(LedgerEntry.row_id, cast(LedgerPayload.payload, JSONB)["due_at"].astext.label("due"))
        .join(LedgerPayload, LedgerPayload.entry_id == LedgerEntry.id)
        .where(LedgerEntry.kind == "deletion_request.received")
        .union_all(
            select(
                LedgerEntry.row_id,
                cast(LedgerPayload.payload, JSONB)["due_after"].astext,
            )
            .join(LedgerPayload, LedgerPayload.entry_id == LedgerEntry.id)
            .join(
                Extension,
                and_(
                    Extension.request_id == LedgerEntry.row_id, LedgerEntry.machine == "extension"
                ),
            )
        )
        .subquery()
    )
    latest = (
        select(
            stated.c.row_id,
            func.max(cast(stated.c.due, DeletionRequest.due_at.type)).label("due"),
        )
        .group_by(stated.c.row_id)
        .subquery()
    )
    clocks = union_all(
        select(DeletionRequest.id, DeletionRequest.due_at),
        select(Erasure.request_id, Erasure.due_at),
    ).subquery()
    rows = session.execute(
        select(clocks.c.id, clocks.c.due_at, latest.c.due)
        .join(latest, latest.c.row_id == clocks.c.id)
        .where(clocks.c.due_at > latest.c.due)
    )
    for request_id, due_at, stated_due in rows:
        yield f"request {request_id} is due {due_at.isoformat()}, not {stated_due.isoformat()}"
