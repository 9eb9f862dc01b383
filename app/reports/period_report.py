"""What an auditor is told of a period: how requests were answered, and how models changed.

The counts are those of the California Code of Regulations, title 11, section 7102(a)(1). The
changes are what the EU AI Act wants on file of a system's lifecycle (Article 11, Annex IV).

Requests are counted as they come and go: what was open when the period began, what came in and what
ended within it, what was open at its end. So a period that is over keeps its counts, unless a
request is entered later that was received in it: whoever submits one says when the person asked.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from pydantic import ConfigDict
from sqlalchemy.orm import Session

from app.law import Law
from app.reports import answers
from app.reports.answers import Counted, Requests, Timeliness
from app.reports.changes import Change, changes
from app.reports.derivations import Elsewhere, elsewhere
from app.reports.facts import utc
from app.reports.pipeline import ModelPipeline, pipelines

FORMAT = "lacuna.period-report/1"


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
    manners: Mapping[str, int]
    """Requests received, by the manner in which they were made; `not_recorded`: nobody said."""
    elsewhere: Elsewhere
    """Versions that others derived from ours."""
    checks: tuple[ModelPipeline, ...]
    """What checks against true retrains said in the period, by model."""
    changes: tuple[Change, ...]
    """Every version that was published, withdrawn or destroyed, oldest first."""

    @property
    def final(self) -> bool:
        """Whether it is over, and its changes have their places in the ledger."""
        return self.period.final and all(change.index is not None for change in self.changes)


def period_report(
    session: Session, first_day: date, last_day: date, *, zone: ZoneInfo, now: datetime
) -> PeriodReport:
    """The report on these days, as far as they have come."""
    period = Period.of(first_day, last_day, zone=zone, now=now)
    begins, ends = period.begins, period.ends
    found = answers.find(session, begins, ends, now=now)
    whole = answers.under(found, tuple(Law), zone=zone)
    return PeriodReport(
        format=FORMAT,
        period=period,
        requests=whole.requests,
        timeliness=whole.timeliness,
        laws={law: answers.under(found, (law,), zone=zone) for law in Law},
        manners=answers.manners(session, begins, ends),
        elsewhere=elsewhere(session, begins, ends),
        checks=pipelines(session, begins, ends),
        changes=changes(session, begins, ends),
    )
