"""The dates by which the law wants an answer; pure functions of receipt, place and holidays.

GDPR: Article 12(3), counted by Regulation (EEC, Euratom) No 1182/71, Articles 2 and 3.
CCPA: California Code of Regulations, title 11, sections 7021 and 7101.

Every due date is the last second of its day in the zone of whoever has to answer.
`holidays` are the public holidays of that place.
"""

from calendar import monthrange
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from zoneinfo import ZoneInfo

GDPR_MONTHS = 1
GDPR_FURTHER_MONTHS = 2
CCPA_CONFIRM_BUSINESS_DAYS = 10
CCPA_DAYS = 45
CCPA_FURTHER_DAYS = 45

NO_HOLIDAYS: frozenset[date] = frozenset()
Holidays = Mapping["Law", Set[date]]
NONE_KNOWN: Holidays = MappingProxyType({})


class Law(StrEnum):
    """Under which law somebody asked."""

    GDPR = "gdpr"
    CCPA = "ccpa"


class Manner(StrEnum):
    """How a request was made, which California wants on record (section 7101(b))."""

    WEB_FORM = "web_form"
    EMAIL = "email"
    PHONE = "phone"
    MAIL = "mail"
    IN_PERSON = "in_person"
    API = "api"
    AUTHORIZED_AGENT = "authorized_agent"
    OTHER = "other"


@dataclass(frozen=True)
class Dates:
    """By when a law wants what."""

    confirm_by: datetime | None  # receipt confirmed; the GDPR has no such date
    due_at: datetime  # answered
    extended_due_at: datetime  # answered, if the person was told within the first period


def dates(
    law: Law, received_at: datetime, *, zone: ZoneInfo, holidays: Set[date] = NO_HOLIDAYS
) -> Dates:
    """All dates that follow from receipt. A holiday that is not named makes none of them later."""
    match law:
        case Law.GDPR:
            return Dates(
                confirm_by=None,
                due_at=gdpr_due(received_at, zone=zone, holidays=holidays),
                extended_due_at=gdpr_extended_due(received_at, zone=zone, holidays=holidays),
            )
        case Law.CCPA:
            return Dates(
                confirm_by=ccpa_confirmation_due(received_at, zone=zone, holidays=holidays),
                due_at=ccpa_due(received_at, zone=zone),
                extended_due_at=ccpa_extended_due(received_at, zone=zone),
            )


def gdpr_due(
    received_at: datetime, *, zone: ZoneInfo, holidays: Set[date] = NO_HOLIDAYS
) -> datetime:
    """The end of the month that a controller has to act on a request (GDPR 12(3))."""
    day = add_months(local_day(received_at, zone), GDPR_MONTHS)
    return end_of(working_day(day, holidays), zone)


def gdpr_extended_due(
    received_at: datetime, *, zone: ZoneInfo, holidays: Set[date] = NO_HOLIDAYS
) -> datetime:
    """The end of the month and the two further months together (GDPR 12(3), second sentence).

    Counted from receipt, not from the first due date: a month that ended late because of a
    weekend does not make the whole longer. The person must hear of the extension, with reasons,
    by `gdpr_due`.
    """
    day = add_months(local_day(received_at, zone), GDPR_MONTHS + GDPR_FURTHER_MONTHS)
    return end_of(working_day(day, holidays), zone)


def ccpa_confirmation_due(
    received_at: datetime, *, zone: ZoneInfo, holidays: Set[date] = NO_HOLIDAYS
) -> datetime:
    """The tenth business day after receipt, by which receipt is confirmed (section 7021(a))."""
    day = local_day(received_at, zone)
    for _ in range(CCPA_CONFIRM_BUSINESS_DAYS):
        day = working_day(day + timedelta(days=1), holidays)
    return end_of(day, zone)


def ccpa_due(received_at: datetime, *, zone: ZoneInfo) -> datetime:
    """The 45th calendar day after receipt, verification included (section 7021(b)).

    Weekends and holidays do not move it: the section counts calendar days.
    """
    return end_of(local_day(received_at, zone) + timedelta(days=CCPA_DAYS), zone)


def ccpa_extended_due(received_at: datetime, *, zone: ZoneInfo) -> datetime:
    """The 90th calendar day after receipt, if notice and reason were given within the first 45."""
    days = timedelta(days=CCPA_DAYS + CCPA_FURTHER_DAYS)
    return end_of(local_day(received_at, zone) + days, zone)


def add_months(day: date, months: int) -> date:
    """The same day number so many months later, else the last day of that month (3(2)(c))."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def working_day(day: date, holidays: Set[date]) -> date:
    """The day, or the first after it that is no Saturday, Sunday or holiday (2(2), 3(4))."""
    while day.isoweekday() > 5 or day in holidays:
        day += timedelta(days=1)
    return day


def local_day(moment: datetime, zone: ZoneInfo) -> date:
    """The calendar day of a moment where the answer is owed. ValueError without a time zone."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone falls on no particular day")
    return moment.astimezone(zone).date()


def end_of(day: date, zone: ZoneInfo) -> datetime:
    """The last second of a day ("the expiry of the last hour", 3(2)), in its zone.

    Counted back from the next midnight in UTC, because clocks change at midnight in some places
    and the day's 23:59:59 may then come twice.
    """
    midnight = datetime.combine(day + timedelta(days=1), time.min, zone)
    return (midnight.astimezone(UTC) - timedelta(seconds=1)).astimezone(zone)
