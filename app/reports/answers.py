"""How requests came and went in a period, how fast they were answered, and how they were made."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean, median
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from app.law import Law, Manner, local_day
from app.ledger.clock_tables import Extension
from app.ledger.states import ErasureState, RequestState
from app.ledger.tables import DeletionRequest, Erasure

ANSWERED = (RequestState.COMPLETED, RequestState.COMPLETED_NO_DATA, RequestState.DENIED)
NOT_RECORDED = "not_recorded"
Conditions = tuple[ColumnElement[bool], ...]


@dataclass(frozen=True)
class Requests:
    """Requests to delete, as they came and went."""

    open_before: int
    """Open when the period began."""
    received: int
    """Received within it."""
    complied: int
    """Ended within it, complied with in whole or in part; the next three together."""
    complied_whole: int
    """By every model that had been trained on the samples."""
    complied_part: int
    """By some of these models, not by all."""
    no_data: int
    """No model had been trained on any of the samples, so there was nothing to change."""
    denied: int
    """Ended within it, denied."""
    withdrawn: int
    """Ended within it, taken back by whoever asked."""
    open_after: int
    """Open at its end, or now if it is not over."""


@dataclass(frozen=True)
class Timeliness:
    """How long answers took: those to requests that were complied with or denied in the period."""

    answered: int
    """How many there are."""
    median_days: float | None
    """Calendar days from the day of receipt, which does not count; null without an answer."""
    mean_days: float | None
    """The same, on average."""
    late: int
    """Answered after their due date."""
    overdue: int
    """Open at the period's end, or now if it is not over, and past their due date."""
    extended: int
    """Whose time was extended within the period."""


@dataclass(frozen=True)
class Counted:
    """The requests under one law."""

    requests: Requests
    """How many, and what became of them."""
    timeliness: Timeliness
    """How long answers took."""


@dataclass(frozen=True)
class Found:
    """What a period's counts are made of, by law; each is one query."""

    ended: Sequence[DeletionRequest]
    received: Counter[Law]
    open_before: Counter[Law]
    open_after: Counter[Law]
    completed_in_part: Counter[Law]
    overdue: Counter[Law]
    extended: Counter[Law]


def find(session: Session, begins: datetime, ends: datetime, *, now: datetime) -> Found:
    """Everything that came, ended or was open from `begins` on, before `ends`."""
    ended = ended_within(begins, ends)
    left_out = exists().where(
        Erasure.request_id == DeletionRequest.id, Erasure.state == ErasureState.CANCELLED
    )
    moment = min(ends, now)
    return Found(
        ended=session.scalars(select(DeletionRequest).where(*ended)).all(),
        received=by_law(session, *received_within(begins, ends)),
        open_before=by_law(session, were_open(begins)),
        open_after=by_law(session, were_open(ends)),
        completed_in_part=by_law(
            session, DeletionRequest.state == RequestState.COMPLETED, *ended, left_out
        ),
        overdue=by_law(session, *were_overdue(moment)),
        extended=by_law(session, extended_within(begins, ends)),
    )


def by_law(session: Session, *which: ColumnElement[bool]) -> Counter[Law]:
    """How many requests there are under each law of which this holds."""
    query = select(DeletionRequest.law, func.count()).where(*which).group_by(DeletionRequest.law)
    return Counter(dict(session.execute(query).all()))


def manners(session: Session, begins: datetime, ends: datetime) -> dict[str, int]:
    """By manner: how many were received; `not_recorded` for those that did not say."""
    query = (
        select(DeletionRequest.manner, func.count())
        .where(*received_within(begins, ends))
        .group_by(DeletionRequest.manner)
    )
    found = dict(session.execute(query).all())
    told = {manner.value: found.get(manner, 0) for manner in Manner}
    return told | {NOT_RECORDED: found.get(None, 0)}


def received_within(begins: datetime, ends: datetime) -> Conditions:
    return (DeletionRequest.received_at >= begins, DeletionRequest.received_at < ends)


def ended_within(begins: datetime, ends: datetime) -> Conditions:
    return (DeletionRequest.finished_at >= begins, DeletionRequest.finished_at < ends)


def were_open(moment: datetime) -> ColumnElement[bool]:
    """Received before a moment, and not ended before it."""
    ended = DeletionRequest.finished_at
    return and_(DeletionRequest.received_at < moment, or_(ended.is_(None), ended >= moment))


def were_overdue(moment: datetime) -> Conditions:
    """Open at a moment although they were due before it: by the date that held at that moment.

    An extension moves the due date, but only before the earlier one has passed, so none that was
    made later can make an overdue request of then look punctual.
    """
    return (were_open(moment), DeletionRequest.due_at < moment)


def extended_within(begins: datetime, ends: datetime) -> ColumnElement[bool]:
    return exists().where(
        Extension.request_id == DeletionRequest.id,
        Extension.extended_at >= begins,
        Extension.extended_at < ends,
    )


def under(found: Found, laws: Sequence[Law], *, zone: ZoneInfo) -> Counted:
    """What became of the requests under these laws, and how fast."""
    ended = [request for request in found.ended if request.law in laws]
    return Counted(counted(found, ended, laws), timeliness(found, ended, laws, zone=zone))


def counted(found: Found, ended: Sequence[DeletionRequest], laws: Sequence[Law]) -> Requests:
    states = [request.state for request in ended]
    completed = states.count(RequestState.COMPLETED)
    part = total(found.completed_in_part, laws)
    no_data = states.count(RequestState.COMPLETED_NO_DATA)
    return Requests(
        open_before=total(found.open_before, laws),
        received=total(found.received, laws),
        complied=completed + no_data,
        complied_whole=completed - part,
        complied_part=part,
        no_data=no_data,
        denied=states.count(RequestState.DENIED),
        withdrawn=states.count(RequestState.CANCELLED),
        open_after=total(found.open_after, laws),
    )


def total(counts: Counter[Law], laws: Sequence[Law]) -> int:
    return sum(counts[law] for law in laws)


def timeliness(
    found: Found, ended: Sequence[DeletionRequest], laws: Sequence[Law], *, zone: ZoneInfo
) -> Timeliness:
    answered = [request for request in ended if request.state in ANSWERED]
    days = [days_taken(request, zone) for request in answered]
    return Timeliness(
        answered=len(answered),
        median_days=float(median(days)) if days else None,
        mean_days=fmean(days) if days else None,
        late=sum(is_late(request) for request in answered),
        overdue=total(found.overdue, laws),
        extended=total(found.extended, laws),
    )


def days_taken(request: DeletionRequest, zone: ZoneInfo) -> int:
    """From the day of receipt to the day of the answer, both where the answer is owed."""
    assert request.finished_at is not None
    return (local_day(request.finished_at, zone) - local_day(request.received_at, zone)).days


def is_late(request: DeletionRequest) -> bool:
    assert request.finished_at is not None
    return request.finished_at > request.due_at
