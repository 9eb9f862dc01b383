from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from app.ledger import batching, clocks, requests, versions
from app.ledger.log_tables import LedgerEntry, LedgerLeaf
from app.ledger.reasons import ExtensionReason
from app.ledger.states import RequestState
from app.ledger.tables import DeletionRequest, Model
from app.ledger.transitions import move
from app.reports import html
from app.reports.answers import Requests
from app.reports.changes import changes
from app.reports.document import document
from app.reports.period_report import PeriodReport, period_report
from tests import factories
from tests.factories import DAY, NOW
from tests.ledger.signing import sequence
from tests.reports.reading import read_page

BERLIN = ZoneInfo("Europe/Berlin")
MARCH = (date(2026, 3, 1), date(2026, 3, 31))
AFTER = datetime(2026, 5, 1, tzinfo=UTC)
NOTHING = Requests(0, 0, 0, 0, 0, 0, 0, 0, 0)


def report_of(
    session: Session,
    *,
    days: tuple[date, date] = MARCH,
    zone: ZoneInfo = BERLIN,
    now: datetime = AFTER,
) -> PeriodReport:
    """As another transaction reads it."""
    session.flush()
    session.expire_all()
    return period_report(session, *days, zone=zone, now=now)


@pytest.fixture
def line(session: Session) -> Model:
    line = factories.make_model(session)
    factories.make_version(session, line)
    return line


def carry_out(session: Session, line: Model) -> None:
    """Everything that was asked of a model, at NOW."""
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    factories.run_through(session, job)


def deny(session: Session, request: DeletionRequest, *, now: datetime) -> None:
    request.finished_at = now
    move(session, request, RequestState.DENIED, now=now)


def test_requests_are_counted_as_they_come_and_go(session: Session, line: Model) -> None:
    factories.make_request(session, "ada", now=NOW - 10 * DAY)  # received in February
    factories.make_request(session, "ben", now=NOW - 3 * DAY)
    carry_out(session, line)
    factories.make_request(session, "nobody")  # no sample, so nothing to do
    taken_back = factories.make_request(session, "eve")
    requests.cancel(session, taken_back.id, now=NOW + DAY, reason="changed their mind")
    deny(session, factories.make_request(session, "kim"), now=NOW + 4 * DAY)
    factories.make_request(session, "zoe")

    report = report_of(session)

    assert report.requests == Requests(
        open_before=2,
        received=4,
        complied=3,
        complied_whole=2,
        complied_part=0,
        no_data=1,
        denied=1,
        withdrawn=1,
        open_after=1,
    )


def test_what_was_open_and_what_came_is_what_ended_and_what_is_open(
    session: Session, line: Model
) -> None:
    factories.make_request(session, "ada", now=NOW - 10 * DAY)
    carry_out(session, line)
    factories.make_request(session, "ben")
    deny(session, factories.make_request(session, "kim"), now=NOW + 40 * DAY)

    told = report_of(session).requests

    came = told.open_before + told.received
    assert came == told.complied + told.denied + told.withdrawn + told.open_after == 3


def test_days_are_counted_from_the_day_of_receipt(session: Session, line: Model) -> None:
    for person, days in (("ada", 1), ("ben", 2), ("eve", 9)):
        request = factories.make_request(session, person)
        deny(session, request, now=NOW + days * DAY)

    told = report_of(session).timeliness

    assert (told.answered, told.median_days, told.mean_days) == (3, 2.0, 4.0)


def test_who_took_a_request_back_was_not_answered(session: Session, line: Model) -> None:
    request = factories.make_request(session, "ada")
    requests.cancel(session, request.id, now=NOW + DAY, reason="changed their mind")

    told = report_of(session).timeliness

    assert (told.answered, told.median_days, told.mean_days) == (0, None, None)


@pytest.mark.parametrize(("zone", "days"), [("UTC", 0), ("Europe/Berlin", 1)])
def test_a_day_ends_at_the_midnight_of_the_zone(
    session: Session, line: Model, zone: str, days: int
) -> None:
    received = datetime(2026, 3, 10, 22, 30, tzinfo=UTC)  # 23:30 in Berlin
    request = factories.make_request(session, "ada", now=received)
    deny(session, request, now=received + timedelta(hours=1))

    assert report_of(session, zone=ZoneInfo(zone)).timeliness.median_days == days


def test_a_period_begins_and_ends_at_the_midnights_of_the_zone(
    session: Session, line: Model
) -> None:
    begins = datetime(2026, 2, 28, 23, tzinfo=UTC)  # winter time
    ends = datetime(2026, 3, 31, 22, tzinfo=UTC)  # summer time
    second = timedelta(seconds=1)
    for person, at in (
        ("ada", begins - second),
        ("ben", begins),
        ("eve", ends - second),
        ("kim", ends),
    ):
        factories.make_request(session, person, now=at)

    report = report_of(session)

    assert (report.period.begins, report.period.ends) == (begins, ends)
    assert (report.requests.open_before, report.requests.received) == (1, 2)


def test_late_answers_and_overdue_requests_are_told_apart(session: Session, line: Model) -> None:
    due = NOW + 5 * DAY
    for person, answered in (("ada", due), ("ben", due + timedelta(seconds=1))):
        request = factories.make_request(session, person, due_at=due)
        deny(session, request, now=answered)
    factories.make_request(session, "eve", due_at=due)
    factories.make_request(session, "kim", due_at=NOW + 60 * DAY)

    told = report_of(session).timeliness

    assert (told.answered, told.late, told.overdue) == (2, 1, 1)


def test_a_request_whose_time_was_extended_counts_once_and_is_not_overdue(
    session: Session, line: Model
) -> None:
    request = factories.make_request(session, "ada", due_at=NOW + 20 * DAY)
    clocks.extend(
        session,
        request.id,
        reason=ExtensionReason.COMPLEXITY,
        notice="letter 1",
        zone=BERLIN,
        now=NOW + 5 * DAY,
    )

    march = report_of(session).timeliness
    april = report_of(session, days=(date(2026, 4, 1), date(2026, 4, 30))).timeliness

    assert (march.extended, march.overdue, april.extended) == (1, 0, 0)


@pytest.mark.parametrize(("later", "overdue"), [(timedelta(0), 0), (timedelta(seconds=1), 1)])
def test_in_a_period_that_goes_on_what_is_due_now_counts(
    session: Session, line: Model, later: timedelta, overdue: int
) -> None:
    factories.make_request(session, "ada", due_at=NOW + 5 * DAY)

    report = report_of(session, now=NOW + 5 * DAY + later)

    assert not report.final
    assert report.timeliness.overdue == overdue


def test_every_version_that_was_published_withdrawn_or_destroyed_is_on_record(
    session: Session, line: Model
) -> None:
    factories.make_request(session, "ada")
    carry_out(session, line)
    (first, second) = versions.listed(session, line)
    versions.purge(session, first, now=NOW + 7 * DAY)

    record = report_of(session).changes

    assert [(each.version, each.change.value, each.made_by) for each in record] == [
        (1, "published", "uploaded"),
        (2, "published", "retrain"),
        (1, "withdrawn", "uploaded"),
        (1, "purged", "uploaded"),
    ]
    assert [each.at for each in record] == [NOW, NOW, NOW, NOW + 7 * DAY]
    assert record[1].weights_sha256 == second.weights_digest
    assert record[1].reasons == ("2 samples had to be forgotten.",)
    assert record[2].reasons == (
        "Taken out of use because it had seen samples that were to be forgotten; "
        "version 2 took its place.",
    )
    assert record[3].reasons[0].endswith("its weights were destroyed.")


def test_a_version_whose_weights_another_has_is_not_said_to_be_destroyed(
    session: Session, line: Model
) -> None:
    factories.make_request(session, "ada")
    carry_out(session, line)
    (first, _) = versions.listed(session, line)
    versions.purge(session, first, now=NOW + 7 * DAY, weights_kept=True)

    *_, last = report_of(session).changes

    assert last.reasons[0].endswith("its weights are kept, for another version has the same.")


def test_changes_are_read_in_one_query_however_many_there_are(
    session: Session, line: Model
) -> None:
    for person in ("ada", "ben", "eve"):
        factories.make_request(session, person)
        carry_out(session, line)
    session.flush()
    session.expire_all()

    with counted_queries(session) as seen:
        told = changes(session, NOW - DAY, NOW + DAY)

    assert len(told) == 7
    assert len(seen) == 1


@contextmanager
def counted_queries(session: Session) -> Iterator[list[str]]:
    """The statements that reach the database meanwhile."""
    seen: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    yield seen
    event.remove(connection, "before_cursor_execute", note)


def test_changes_have_their_index_once_the_clerk_has_entered_them(
    session: Session, line: Model
) -> None:
    before = report_of(session).changes
    sequence(session)
    (change,) = report_of(session).changes

    assert [each.index for each in before] == [None]
    assert report_of(session).final
    entered = session.scalars(
        select(LedgerLeaf.index)
        .join(LedgerEntry, LedgerEntry.id == LedgerLeaf.entry_id)
        .where(LedgerEntry.kind == "model_version.published")
    ).all()
    assert [change.index] == entered


def test_only_changes_within_the_period_are_told(session: Session, line: Model) -> None:
    day = NOW.date()

    assert len(report_of(session, days=(day, day)).changes) == 1
    assert report_of(session, days=(day - DAY, day - DAY)).changes == ()
    assert report_of(session, days=(day + DAY, day + DAY)).changes == ()


def test_a_zone_that_is_not_whole_hours_from_utc_loses_no_change(
    session: Session, line: Model
) -> None:
    kolkata = ZoneInfo("Asia/Kolkata")  # midnight is 18:30 UTC
    midnight = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
    factories.make_request(session, "ada", now=midnight)
    carry_out(session, line)
    (first, _) = versions.listed(session, line)
    versions.purge(session, first, now=midnight + 7 * DAY)

    day = (midnight + 7 * DAY).astimezone(kolkata).date()
    report = report_of(session, days=(day, day), zone=kolkata)

    assert report.period.begins == midnight + 7 * DAY
    assert [change.change.value for change in report.changes] == ["purged"]


def test_a_period_that_is_over_keeps_its_digest(session: Session, line: Model) -> None:
    factories.make_request(session, "ada")
    before = document(report_of(session)).sha256

    carry_out_later = NOW + 45 * DAY
    deny(session, factories.make_request(session, "ben", now=carry_out_later), now=AFTER)

    assert document(report_of(session, now=AFTER + DAY)).sha256 == before


def test_an_empty_period_has_zeros_and_no_days(session: Session) -> None:
    report = report_of(session)

    assert report.requests == NOTHING
    assert report.timeliness.median_days is None
    assert report.changes == ()


def test_the_page_has_the_numbers_and_names_nobody(session: Session, line: Model) -> None:
    request = factories.make_request(session, "ada", external_id="crm-17")
    carry_out(session, line)
    report = report_of(session)
    digest = document(report).sha256

    page = read_page(html.period_page(document(report)))

    assert digest in page.text
    assert "complied with, in whole or in part 1" in page.text
    assert "Days of Europe/Berlin: from 28 February 2026, 23:00:00 UTC" in page.text
    assert "faces, version 2" in page.text
    for told in (page.text, document(report).content.decode()):
        assert "crm-17" not in told
        assert str(request.id) not in told


def test_a_period_without_changes_says_so(session: Session) -> None:
    report = replace(report_of(session), changes=())

    page = read_page(html.period_page(document(report)))

    assert "No version was published, withdrawn or destroyed." in page.text
