"""What an auditor is told of a period: how requests were answered, and how models changed.

The counts are those of the California Code of Regulations, title 11, section 7102(a)(1). The
changes are what the EU AI Act wants on file of a system's lifecycle (Article 11, Annex IV).

Requests are counted as they come and go: what was open when the period began, what came in and what
ended within it, what was open at its end. So a period that is over keeps its counts, unless a
request is entered later that was received in it: whoever submits one says when the person asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from statistics import fmean, median
from typing import ClassVar
from zoneinfo import ZoneInfo

from pydantic import ConfigDict
from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from app.law import Law, local_day
from app.ledger.clock_tables import Extension
from app.ledger.states import ErasureState, RequestState
from app.ledger.tables import DeletionRequest, Erasure
from app.reports.changes import Change, changes
from app.reports.derivations import Elsewhere, elsewhere
from app.reports.facts import utc
from app.reports.pipeline import ModelPipeline, pipelines

FORMAT = "lacuna.period-report/1"
Laws = tuple[Law, ...]
ANSWERED = (RequestState.COMPLETED, RequestState.COMPLETED_NO_DATA, RequestState.DENIED)


@dataclass(frozen=True)
class Period:
    """Whole days, where the answer is owed."""

    first_day: date
    """The first day."""
    last_day: date
    """The last day, included."""
    zone: str
    """Where the days begin and end (IANA name)."""
    begins: datetime
    """The first day's midnight."""
    ends: datetime
    """The midnight after the last day; it belongs to the period no more."""
    final: bool
    """Whether it is over."""

    @classmethod
    def of(cls, first_day: date, last_day: date, *, zone: ZoneInfo, now: datetime) -> "Period":
        begins = utc(datetime.combine(first_day, time.min, zone))
        ends = utc(datetime.combine(last_day + timedelta(days=1), time.min, zone))
        return cls(first_day, last_day, zone.key, begins, ends, final=ends <= now)


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
class PeriodReport:
    """One period, from the ledger alone. It names no person and no request."""

    # So that the docstring under each field, of parts too, is its description in /docs.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(use_attribute_docstrings=True)

    format: str
    """The form of this report."""
    period: Period
    """Which days."""
    requests: Requests
    """How many, and what became of them, under all laws."""
    timeliness: Timeliness
    """How long answers took, under all laws."""
    laws: Mapping[Law, Counted]
    """The same for each law alone."""
    elsewhere: Elsewhere
    """Versions that others derived from ours."""
    checks: tuple[ModelPipeline, ...]
    """What checks against true retrains said in the period, by model."""
    changes: tuple[Change, ...]
    """Every version that was published, withdrawn or destroyed, oldest first."""

    @property
    def final(self) -> bool:
        return self.period.final


def period_report(
    session: Session, first_day: date, last_day: date, *, zone: ZoneInfo, now: datetime
) -> PeriodReport:
    """The report on these days, as far as they have come."""
    period = Period.of(first_day, last_day, zone=zone, now=now)
    whole = under(session, period, tuple(Law), zone=zone, now=now)
    return PeriodReport(
        format=FORMAT,
        period=period,
        requests=whole.requests,
        timeliness=whole.timeliness,
        laws={law: under(session, period, (law,), zone=zone, now=now) for law in Law},
        elsewhere=elsewhere(session, period.begins, period.ends),
        checks=pipelines(session, period.begins, period.ends),
        changes=changes(session, period.begins, period.ends),
    )


def under(
    session: Session, period: Period, laws: Laws, *, zone: ZoneInfo, now: datetime
) -> Counted:
    """What became of the requests under these laws, and how fast."""
    ended = ended_in(session, period, laws)
    return Counted(
        requests=counted(session, period, ended, laws),
        timeliness=timeliness(session, period, ended, laws, zone=zone, now=now),
    )


def ended_in(session: Session, period: Period, laws: Laws) -> Sequence[DeletionRequest]:
    """The requests that came to their end within the period."""
    return session.scalars(select(DeletionRequest).where(*ended_within(period, laws))).all()


def ended_within(period: Period, laws: Laws) -> tuple[ColumnElement[bool], ...]:
    """What holds for requests under these laws that came to their end within the period."""
    return (
        DeletionRequest.law.in_(laws),
        DeletionRequest.finished_at >= period.begins,
        DeletionRequest.finished_at < period.ends,
    )


def counted(
    session: Session, period: Period, ended: Sequence[DeletionRequest], laws: Laws
) -> Requests:
    states = [request.state for request in ended]
    completed = states.count(RequestState.COMPLETED)
    part = completed_in_part(session, period, laws)
    no_data = states.count(RequestState.COMPLETED_NO_DATA)
    return Requests(
        open_before=open_at(session, period.begins, laws),
        received=received_before(session, period.ends, laws)
        - received_before(session, period.begins, laws),
        complied=completed + no_data,
        complied_whole=completed - part,
        complied_part=part,
        no_data=no_data,
        denied=states.count(RequestState.DENIED),
        withdrawn=states.count(RequestState.CANCELLED),
        open_after=open_at(session, period.ends, laws),
    )


def completed_in_part(session: Session, period: Period, laws: Laws) -> int:
    """How many were completed within the period though an erasure of theirs was cancelled."""
    left_out = exists().where(
        Erasure.request_id == DeletionRequest.id, Erasure.state == ErasureState.CANCELLED
    )
    query = select(func.count()).where(
        DeletionRequest.state == RequestState.COMPLETED, *ended_within(period, laws), left_out
    )
    return session.scalar(query) or 0


def received_before(session: Session, moment: datetime, laws: Laws) -> int:
    query = select(func.count()).where(
        DeletionRequest.received_at < moment, DeletionRequest.law.in_(laws)
    )
    return session.scalar(query) or 0


def open_at(session: Session, moment: datetime, laws: Laws) -> int:
    """Received before a moment, and not ended before it."""
    return session.scalar(select(func.count()).where(were_open(moment, laws))) or 0


def were_open(moment: datetime, laws: Laws) -> ColumnElement[bool]:
    ended = DeletionRequest.finished_at
    return and_(
        DeletionRequest.law.in_(laws),
        DeletionRequest.received_at < moment,
        or_(ended.is_(None), ended >= moment),
    )


def timeliness(
    session: Session,
    period: Period,
    ended: Sequence[DeletionRequest],
    laws: Laws,
    *,
    zone: ZoneInfo,
    now: datetime,
) -> Timeliness:
    answered = [request for request in ended if request.state in ANSWERED]
    days = [days_taken(request, zone) for request in answered]
    return Timeliness(
        answered=len(answered),
        median_days=float(median(days)) if days else None,
        mean_days=fmean(days) if days else None,
        late=sum(is_late(request) for request in answered),
        overdue=overdue(session, min(period.ends, now), laws),
        extended=extended(session, period, laws),
    )


def days_taken(request: DeletionRequest, zone: ZoneInfo) -> int:
    """From the day of receipt to the day of the answer, both where the answer is owed."""
    assert request.finished_at is not None
    return (local_day(request.finished_at, zone) - local_day(request.received_at, zone)).days


def is_late(request: DeletionRequest) -> bool:
    assert request.finished_at is not None
    return request.finished_at > request.due_at


def overdue(session: Session, moment: datetime, laws: Laws) -> int:
    """Open at a moment although they were due before it: by the date that held at that moment.

    An extension moves the due date, but only before the earlier one has passed, so none that was
    made later can make an overdue request of then look punctual.
    """
    query = select(func.count()).where(were_open(moment, laws), DeletionRequest.due_at < moment)
    return session.scalar(query) or 0


def extended(session: Session, period: Period, laws: Laws) -> int:
    query = select(func.count()).where(
        DeletionRequest.id == Extension.request_id,
        DeletionRequest.law.in_(laws),
        Extension.extended_at >= period.begins,
        Extension.extended_at < period.ends,
    )
    return session.scalar(query) or 0
