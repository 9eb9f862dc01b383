"""Legal clocks: due dates that are extended, and those that come near or pass."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Float, Select, exists, extract, func, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app import law
from app.errors import Conflict, IllegalTransition
from app.ledger import durations, entries, requests
from app.ledger.clock_tables import DueMark, Extension, Urgency
from app.ledger.policy import Policy
from app.ledger.reasons import ExtensionReason
from app.ledger.states import FINAL_REQUEST_STATES, OPEN_ERASURE_STATES
from app.ledger.tables import DeletionRequest, Erasure, Model

# Per cent of a request's time after which it is escalated, however much is left of it.
STAGES = {Urgency.ELAPSED_50: 50, Urgency.ELAPSED_75: 75, Urgency.ELAPSED_90: 90}
URGENT = (Urgency.AT_RISK, Urgency.PREDICTED_LATE, Urgency.OVERDUE)


class AlreadyExtended(Conflict):
    """The due date was extended before; the law allows it once."""

    code = "already_extended"


class FirstPeriodOver(Conflict):
    """The first period is over; the person had to hear of an extension within it."""

    code = "first_period_over"


@dataclass(frozen=True)
class Clock:
    """How the due date of a request stands."""

    at_risk: bool = False  # also when it is predicted to be late, or is overdue
    overdue: bool = False
    extension: Extension | None = None


def extend(
    session: Session,
    request_id: UUID,
    *,
    reason: ExtensionReason,
    notice: str,
    zone: ZoneInfo,
    holidays: law.Holidays = law.NONE_KNOWN,
    now: datetime,
) -> DeletionRequest:
    """Move a request's due date once, inside its first period, to the end of its law's second.

    `notice` says where the text lies by which the person was told so, with the reasons.
    """
    request = requests.get(session, request_id, lock=True)
    if request.state in FINAL_REQUEST_STATES:
        raise IllegalTransition(f"the request is {request.state}; there is nothing to extend")
    if session.get(Extension, request_id) is not None:
        raise AlreadyExtended("the due date of this request was extended before")
    if now > request.due_at:
        raise FirstPeriodOver(f"the first period ended {request.due_at.isoformat()}")
    extension = Extension(
        request_id=request_id,
        reason=reason,
        notice=notice,
        due_before=request.due_at,
        due_after=law.dates(
            request.law,
            request.received_at,
            zone=zone,
            holidays=holidays.get(request.law, law.NO_HOLIDAYS),
        ).extended_due_at,
        extended_at=now,
    )
    session.add(extension)
    state_extension(session, extension)
    request.due_at = extension.due_after
    for erasure in request.erasures:
        erasure.due_at = extension.due_after
    session.flush()
    return request


def state_extension(session: Session, extension: Extension) -> None:
    """The entry without which the database lets no due date move later (I7)."""
    entries.append(
        session,
        "deletion_request.extended",
        machine="extension",
        row_id=extension.request_id,
        revision=0,
        now=extension.extended_at,
        payload={
            "id": str(extension.request_id),
            "reason": extension.reason.value,
            "notice": extension.notice,
            "due_before": extension.due_before.isoformat(),
            "due_after": extension.due_after.isoformat(),
            "at": extension.extended_at.isoformat(),
        },
    )


def escalate(session: Session, *, now: datetime) -> Sequence[tuple[UUID, Urgency]]:
    """Mark open requests by how far their time has run; returns those that were not marked yet."""
    found = {urgency: gone(percent, now) for urgency, percent in STAGES.items()}
    found |= {
        Urgency.AT_RISK: near(now),
        Urgency.PREDICTED_LATE: unreachable(session, now),
        Urgency.OVERDUE: past(now),
    }
    marked = [
        mark
        for urgency, which in found.items()
        for mark in mark_once(session, urgency, which, now=now)
    ]
    session.flush()
    return marked


def open_requests() -> Select[UUID, datetime]:
    """Requests that have not come to their end, with their due dates."""
    return select(DeletionRequest.id, DeletionRequest.due_at).where(
        DeletionRequest.state.not_in(FINAL_REQUEST_STATES)
    )


def gone(percent: int, now: datetime) -> Select[UUID, datetime]:
    """Open requests of whose time, from receipt to the due date, so much is over.

    In seconds: a day of an interval is longer or shorter where the clocks change.
    """
    received, due = DeletionRequest.received_at, DeletionRequest.due_at
    whole, over = extract("epoch", due - received), extract("epoch", literal(now) - received)
    return open_requests().where(over * 100 >= whole * percent)


def past(now: datetime) -> Select[UUID, datetime]:
    """Open requests whose due date is over."""
    return open_requests().where(DeletionRequest.due_at < now)


def unreachable(session: Session, now: datetime) -> Select[UUID, datetime]:
    """Open requests with an erasure whose job is predicted to end after the due date."""
    late = exists().where(
        Erasure.request_id == DeletionRequest.id, durations.too_late(session, now=now)
    )
    return open_requests().where(late)


def near(now: datetime) -> Select[UUID, datetime]:
    """Open requests that are due within the longest margin of the models that still owe them."""
    margin = func.coalesce(
        Model.policy["due_margin_seconds"].as_float(), literal(Policy.due_margin_seconds, Float)
    )
    return (
        open_requests()
        .join(Erasure, Erasure.request_id == DeletionRequest.id)
        .join(Model, Model.id == Erasure.model_id)
        .where(Erasure.state.in_(OPEN_ERASURE_STATES))
        .group_by(DeletionRequest.id)
        .having(
            DeletionRequest.due_at - func.make_interval(0, 0, 0, 0, 0, 0, func.max(margin)) <= now
        )
    )


def mark_once(
    session: Session, urgency: Urgency, which: Select[UUID, datetime], *, now: datetime
) -> list[tuple[UUID, Urgency]]:
    """Mark what is not marked with this yet, and state it; two clerks do it once."""
    known = exists().where(
        DueMark.request_id == DeletionRequest.id,
        DueMark.due_at == DeletionRequest.due_at,
        DueMark.urgency == urgency,
    )
    columns = [DueMark.request_id, DueMark.due_at, DueMark.urgency, DueMark.marked_at]
    fixed = [literal(urgency, DueMark.urgency.type), literal(now, DueMark.marked_at.type)]
    rows = session.execute(
        insert(DueMark)
        .from_select(columns, which.where(~known).add_columns(*fixed))
        .on_conflict_do_nothing()
        .returning(DueMark.request_id, DueMark.due_at)
    ).all()
    for request_id, due_at in rows:
        entries.append(
            session,
            f"deletion_request.{urgency}",
            machine="due_mark",
            row_id=request_id,
            now=now,
            payload={
                "id": str(request_id),
                "due_at": due_at.isoformat(),
                "at": now.isoformat(),
            },
        )
    return [(request_id, urgency) for request_id, _ in rows]


def at_risk(wanted: bool) -> ColumnElement[bool]:
    """A condition on requests: their present due date is marked while they are open, or is not."""
    marked = (
        select(DueMark)
        .where(
            DueMark.request_id == DeletionRequest.id,
            DueMark.due_at == DeletionRequest.due_at,
            DueMark.urgency.in_(URGENT),
        )
        .exists()
    ) & DeletionRequest.state.not_in(FINAL_REQUEST_STATES)
    return marked if wanted else ~marked


def of(session: Session, found: Iterable[DeletionRequest]) -> dict[UUID, Clock]:
    """By request: whether its present due date is marked while it is open, and its extension."""
    known = {request.id: request for request in found}
    extensions = session.scalars(select(Extension).where(Extension.request_id.in_(known)))
    extended = {extension.request_id: extension for extension in extensions}
    marks = {
        (mark.request_id, mark.urgency)
        for mark in session.scalars(select(DueMark).where(DueMark.request_id.in_(known)))
        if mark.due_at == known[mark.request_id].due_at
        and known[mark.request_id].state not in FINAL_REQUEST_STATES
    }
    return {
        key: Clock(
            at_risk=any((key, urgency) in marks for urgency in URGENT),
            overdue=(key, Urgency.OVERDUE) in marks,
            extension=extended.get(key),
        )
        for key in known
    }
