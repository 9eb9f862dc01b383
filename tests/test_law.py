from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import law

BERLIN = ZoneInfo("Europe/Berlin")
CAIRO = ZoneInfo("Africa/Cairo")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
UTC_ZONE = ZoneInfo("UTC")

EASTER_MONDAY = date(2026, 4, 6)
NEW_YEAR = date(2027, 1, 1)
INDEPENDENCE_OBSERVED = date(2026, 7, 3)

moments = st.integers(946_684_800, 4_102_444_800).map(lambda s: datetime.fromtimestamp(s, UTC))
zones = st.sampled_from([BERLIN, CAIRO, LOS_ANGELES, UTC_ZONE, ZoneInfo("Pacific/Apia")])
holiday_sets = st.frozensets(st.dates(date(2000, 1, 1), date(2101, 1, 1)), max_size=40)


def noon(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("received", "due"),
    [
        pytest.param(date(2026, 3, 10), date(2026, 4, 10), id="the same day number"),
        pytest.param(date(2026, 8, 31), date(2026, 9, 30), id="a month without a 31st"),
        pytest.param(date(2028, 1, 31), date(2028, 2, 29), id="the leap day"),
        pytest.param(date(2027, 1, 29), date(2027, 3, 1), id="no leap day, and then a Sunday"),
        pytest.param(date(2028, 2, 29), date(2028, 3, 29), id="from the leap day"),
        pytest.param(date(2026, 12, 15), date(2027, 1, 15), id="across the year's end"),
        pytest.param(date(2026, 1, 31), date(2026, 3, 2), id="Saturday the 28th to Monday"),
        pytest.param(date(2026, 3, 5), date(2026, 4, 7), id="Easter Sunday to Tuesday"),
        pytest.param(date(2026, 12, 1), date(2027, 1, 4), id="New Year's Day, then a weekend"),
    ],
)
def test_a_month_ends_on_the_same_day_number_or_the_next_working_day(
    received: date, due: date
) -> None:
    moment = datetime(received.year, received.month, received.day, 9, tzinfo=BERLIN)

    answer = law.gdpr_due(moment, zone=BERLIN, holidays={EASTER_MONDAY, NEW_YEAR})

    assert answer.date() == due
    assert answer.replace(tzinfo=None).time().isoformat() == "23:59:59"


def test_the_day_of_receipt_is_the_day_where_the_answer_is_owed() -> None:
    late_evening = datetime(2026, 5, 31, 22, 30, tzinfo=UTC)

    assert law.gdpr_due(late_evening, zone=UTC_ZONE).date() == date(2026, 6, 30)
    assert law.gdpr_due(late_evening, zone=BERLIN).date() == date(2026, 7, 1)


def test_two_further_months_are_counted_from_receipt_and_not_from_a_late_first_due_date() -> None:
    received = noon(2026, 1, 31)

    due = law.gdpr_extended_due(received, zone=BERLIN)

    assert law.gdpr_due(received, zone=BERLIN).date() == date(2026, 3, 2)
    assert due.date() == date(2026, 4, 30)


def test_the_clock_of_the_due_day_counts_and_not_that_of_receipt() -> None:
    due = law.gdpr_due(noon(2026, 2, 28), zone=BERLIN)

    assert due.isoformat() == "2026-03-30T23:59:59+02:00"


@pytest.mark.parametrize(
    ("received", "due"),
    [
        pytest.param(noon(2026, 3, 23), "2026-04-23T21:59:59+00:00", id="the day has no midnight"),
        pytest.param(noon(2026, 9, 29), "2026-10-29T21:59:59+00:00", id="23:59:59 comes twice"),
    ],
)
def test_a_day_ends_when_its_last_hour_does_even_if_clocks_change_at_midnight(
    received: datetime, due: str
) -> None:
    answer = law.gdpr_due(received, zone=CAIRO)

    assert answer.astimezone(UTC).isoformat() == due


def test_receipt_is_confirmed_within_ten_business_days() -> None:
    received = datetime(2026, 7, 1, 9, tzinfo=LOS_ANGELES)

    plain = law.ccpa_confirmation_due(received, zone=LOS_ANGELES)
    around = law.ccpa_confirmation_due(received, zone=LOS_ANGELES, holidays={INDEPENDENCE_OBSERVED})

    assert plain.date() == date(2026, 7, 15)
    assert around.date() == date(2026, 7, 16)


def test_californian_answers_are_due_after_calendar_days_whatever_day_that_is() -> None:
    received = datetime(2026, 7, 1, 9, tzinfo=LOS_ANGELES)

    assert law.ccpa_due(received, zone=LOS_ANGELES).date() == date(2026, 8, 15)  # a Saturday
    assert law.ccpa_extended_due(received, zone=LOS_ANGELES).date() == date(2026, 9, 29)


@pytest.mark.parametrize(
    ("received", "confirm_by", "due_at", "extended_due_at"),
    [
        pytest.param(
            "2026-02-28T23:30:00-08:00",  # already March in Berlin, and clocks change on the 8th
            "2026-03-13T23:59:59-07:00",
            "2026-04-14T23:59:59-07:00",
            "2026-05-29T23:59:59-07:00",
            id="a month's end before clocks go forward",
        ),
        pytest.param(
            "2026-10-31T12:00:00-07:00",  # a Saturday; clocks change the day after
            "2026-11-13T23:59:59-08:00",
            "2026-12-15T23:59:59-08:00",
            "2027-01-29T23:59:59-08:00",
            id="a month's end before clocks go back, across the year's end",
        ),
        pytest.param(
            "2028-02-29T08:00:00-08:00",
            "2028-03-14T23:59:59-07:00",
            "2028-04-14T23:59:59-07:00",
            "2028-05-29T23:59:59-07:00",
            id="the leap day",
        ),
    ],
)
def test_californian_dates_end_with_their_day_whatever_clocks_and_months_do(
    received: str, confirm_by: str, due_at: str, extended_due_at: str
) -> None:
    found = law.dates(law.Law.CCPA, datetime.fromisoformat(received), zone=LOS_ANGELES)

    assert found.confirm_by is not None
    assert (found.confirm_by.isoformat(), found.due_at.isoformat()) == (confirm_by, due_at)
    assert found.extended_due_at.isoformat() == extended_due_at


@given(received=moments, zone=zones, holidays=holiday_sets)
def test_each_law_has_its_own_dates(
    received: datetime, zone: ZoneInfo, holidays: frozenset[date]
) -> None:
    europe, california = (
        law.dates(which, received, zone=zone, holidays=holidays) for which in law.Law
    )

    assert europe == law.Dates(
        None,
        law.gdpr_due(received, zone=zone, holidays=holidays),
        law.gdpr_extended_due(received, zone=zone, holidays=holidays),
    )
    assert california == law.Dates(
        law.ccpa_confirmation_due(received, zone=zone, holidays=holidays),
        law.ccpa_due(received, zone=zone),
        law.ccpa_extended_due(received, zone=zone),
    )


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a time zone"):
        law.gdpr_due(datetime(2026, 1, 1), zone=BERLIN)  # noqa: DTZ001 - the point of the test


@given(received=moments, zone=zones, holidays=holiday_sets)
def test_a_gdpr_answer_is_due_on_the_first_working_day_from_the_month_on(
    received: datetime, zone: ZoneInfo, holidays: frozenset[date]
) -> None:
    due = law.gdpr_due(received, zone=zone, holidays=holidays).date()

    earliest = law.add_months(received.astimezone(zone).date(), 1)
    skipped = [earliest + timedelta(days=n) for n in range((due - earliest).days)]
    assert due.weekday() < 5
    assert due not in holidays
    assert all(day.weekday() >= 5 or day in holidays for day in skipped)


@given(day=st.dates(date(2000, 1, 1), date(2100, 1, 1)), months=st.integers(0, 36))
def test_months_are_added_to_the_month_and_shorten_the_day_only_where_they_must(
    day: date, months: int
) -> None:
    later = law.add_months(day, months)

    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    if later.day != day.day:
        assert later.day < day.day
        assert (later + timedelta(days=1)).day == 1


@given(received=moments, zone=zones)
def test_a_day_ends_one_second_before_the_next_begins(received: datetime, zone: ZoneInfo) -> None:
    day = received.astimezone(zone).date()

    last = law.end_of(day, zone).astimezone(UTC)

    assert last.astimezone(zone).date() == day
    assert (last + timedelta(seconds=1)).astimezone(zone).date() > day


@given(received=moments, zone=zones, holidays=holiday_sets)
def test_every_due_date_lies_after_receipt_and_an_extension_after_the_first(
    received: datetime, zone: ZoneInfo, holidays: frozenset[date]
) -> None:
    confirm = law.ccpa_confirmation_due(received, zone=zone, holidays=holidays)
    california = [law.ccpa_due(received, zone=zone), law.ccpa_extended_due(received, zone=zone)]
    europe = [
        law.gdpr_due(received, zone=zone, holidays=holidays),
        law.gdpr_extended_due(received, zone=zone, holidays=holidays),
    ]

    assert received < confirm
    assert received < california[0] < california[1]
    assert received < europe[0] < europe[1]
