"""What reports say of extensions, holds, denials, and of the law that a request is under."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session

from app.law import Law, dates
from app.ledger import batching, clocks, datasets, holds, intake, requests, retention
from app.ledger.reasons import DenialReason, ExtensionReason, HoldReason, ReleaseReason
from app.ledger.tables import DeletionRequest, ModelVersion
from app.reports import html
from app.reports.document import document
from app.reports.job_report import job_report
from app.reports.period_report import period_report
from app.reports.request_report import RequestReport, request_report
from app.reports.summaries import of_outcome, of_request
from app.reports.words import DENIALS, EXTENSIONS, LAWS
from tests.factories import DAY, NOW, key_of, make_request, make_version, run_through
from tests.reports.reading import read_page

ZONE = ZoneInfo("America/Los_Angeles")
MARCH = (date(2026, 3, 1), date(2026, 3, 31))


@pytest.fixture(autouse=True)
def live(session: Session) -> ModelVersion:
    return make_version(session)


def extend(session: Session, request: DeletionRequest, *, now: datetime = NOW) -> None:
    clocks.extend(
        session,
        request.id,
        reason=ExtensionReason.COMPLEXITY,
        notice="letter 7",
        zone=ZONE,
        now=now,
    )


def put_aside(session: Session, request: DeletionRequest) -> None:
    """For two days, from the first on."""
    holds.hold(session, request.id, reason=HoldReason.LEGAL_CLAIMS, now=NOW + DAY)
    holds.release(session, request.id, reason=ReleaseReason.GROUND_ENDED, now=NOW + 3 * DAY)


def deny(session: Session, request: DeletionRequest) -> None:
    reasons = [DenialReason.NO_MATCH, DenialReason.TOO_MANY_REQUESTS]
    requests.deny(session, request.id, reasons=reasons, notice="letter 8", now=NOW + DAY)


def californian(session: Session, person: str, *, now: datetime = NOW) -> DeletionRequest:
    found = dates(Law.CCPA, now, zone=ZONE)
    submission = requests.Submission(
        datasets.ordinals_of_subject(session, key_of(person)),
        key_of(person),
        received_at=now,
        due_at=found.due_at,
        law=Law.CCPA,
        confirm_by=found.confirm_by,
    )
    request, _ = intake.submit(session, submission, now=now)
    return request


def report_of(session: Session, request: DeletionRequest) -> RequestReport:
    """As another transaction reads it."""
    session.flush()
    session.expire_all()
    return request_report(session, request.id)


def said(report: RequestReport) -> str:
    state = report.request.state
    outcomes = [sentence for one in report.outcomes for sentence in of_outcome(one, state)]
    return " ".join([*of_request(report), *outcomes])


def page(report: RequestReport) -> str:
    return read_page(html.request_page(document(report))).text


def test_the_person_is_told_of_an_extension_why_and_by_what_notice(session: Session) -> None:
    request = make_request(session, "ada")
    extend(session, request, now=NOW + 2 * DAY)

    report = report_of(session, request)

    assert (
        "It had to be answered by 1 April 2026, 12:00:00 UTC at first. On 4 March 2026, 12:00:00 "
        "UTC that was extended, because it is complex; you were told by: letter 7." in said(report)
    )
    assert "It has to be answered by 3 June 2026, 06:59:59 UTC." in said(report)
    assert "within three months of that, because the time was extended" in page(report)


def test_the_person_is_told_when_and_why_a_request_was_put_aside_and_went_on(
    session: Session,
) -> None:
    request = make_request(session, "ada")
    holds.hold(session, request.id, reason=HoldReason.IDENTITY_IN_DOUBT, now=NOW + DAY)

    during = said(report_of(session, request))
    holds.release(session, request.id, reason=ReleaseReason.IDENTITY_CONFIRMED, now=NOW + 3 * DAY)
    after = report_of(session, request)

    assert (
        "It was put aside on 3 March 2026, 12:00:00 UTC, because it is in doubt who asked. "
        "Its due date has not moved for that." in during
    )
    assert (
        "It was put aside on 3 March 2026, 12:00:00 UTC, because it is in doubt who asked. That "
        "ended on 5 March 2026, 12:00:00 UTC, because it is known who asked." in said(after)
    )
    (hold,) = after.outcomes[0].holds
    assert (hold.code, hold.until) == ("identity_in_doubt", NOW + 3 * DAY)


def test_the_person_is_told_why_a_request_was_denied(session: Session) -> None:
    request = make_request(session, "ada")
    deny(session, request)

    report = report_of(session, request)

    assert report.request.denial is not None
    assert report.request.denial.reasons == (DenialReason.NO_MATCH, DenialReason.TOO_MANY_REQUESTS)
    assert (
        "Your request was denied on 3 March 2026, 12:00:00 UTC, because nothing could be matched "
        "with you; you have asked too often. You were told by: letter 8." in said(report)
    )
    assert "Nothing was changed, because the request was denied." in said(report)
    assert "taken back" not in page(report)


def test_after_shredding_the_dates_stay_and_the_reasons_and_notices_are_gone(
    session: Session,
) -> None:
    request = make_request(session, "ada")
    extend(session, request)
    put_aside(session, request)
    deny(session, request)
    retention.shred(session, request.id, now=NOW + 800 * DAY)

    report = report_of(session, request)

    assert report.request.denial is not None
    assert (report.request.denial.reasons, report.request.denial.notice) == ((), None)
    assert "Your request was denied on 3 March 2026, 12:00:00 UTC." in said(report)
    assert "letter" not in page(report)
    (hold,) = report.outcomes[0].holds
    assert (hold.since, hold.reason, hold.until) == (NOW + DAY, None, NOW + 3 * DAY)


def test_a_californian_is_told_the_dates_of_the_ccpa(session: Session) -> None:
    report = report_of(session, californian(session, "ada"))

    told = page(report)
    assert "within 10 business days that your request was received, here by 17 March 2026" in told
    assert "within 45 days what was done, here by 17 April 2026, 06:59:59 UTC" in told
    assert "Attorney General of California" in told
    assert "GDPR" not in told


def test_a_jobs_report_has_the_clocks_of_its_requests(session: Session, live: ModelVersion) -> None:
    put_aside(session, make_request(session, "ada"))
    extend(session, other := californian(session, "ben"))
    job = batching.batch(session, live.model_id, now=NOW + 4 * DAY, flush=True)
    assert job is not None
    session.expire_all()

    report = job_report(session, job.id)

    first, second = report.requests
    assert (first.law, first.extension, first.holds[0].code) == (Law.GDPR, None, "legal_claims")
    assert (second.request, second.law, second.holds) == (other.id, Law.CCPA, ())
    assert second.extension is not None
    assert second.extension.reason is ExtensionReason.COMPLEXITY
    shown = read_page(html.job_page(document(report))).text
    assert "3 March 2026, 12:00:00 UTC to 5 March 2026, 12:00:00 UTC: legal claims need" in shown
    assert "2 March 2026, 12:00:00 UTC: it is complex; due 17 April 2026" in shown
    assert "CCPA (California)" in shown


def test_a_job_without_requests_has_no_table_of_them(session: Session, live: ModelVersion) -> None:
    make_request(session, "ada")
    job = batching.batch(session, live.model_id, now=NOW, flush=True)
    assert job is not None
    report = job_report(session, job.id)

    shown = html.job_page(document(replace(report, requests=())))

    assert "<h2>Requests</h2>" in html.job_page(document(report))
    assert "<h2>Requests</h2>" not in shown


def test_a_period_is_counted_under_each_law(session: Session, live: ModelVersion) -> None:
    make_request(session, "ada")
    extend(session, californian(session, "ben"))
    job = batching.batch(session, live.model_id, now=NOW, flush=True)
    assert job is not None
    run_through(session, job)
    deny(session, californian(session, "kim"))
    californian(session, "zoe")
    session.expire_all()

    report = period_report(session, *MARCH, zone=ZONE, now=NOW + 60 * DAY)

    europe, california = report.laws[Law.GDPR], report.laws[Law.CCPA]
    assert (europe.requests.received, california.requests.received) == (1, 3)
    assert (europe.requests.complied, california.requests.complied) == (1, 1)
    assert (california.requests.denied, california.requests.open_after) == (1, 1)
    assert (europe.timeliness.median_days, california.timeliness.median_days) == (0.0, 0.5)
    assert (europe.timeliness.extended, california.timeliness.extended) == (0, 1)
    assert sums(report.laws) == vars(report.requests)
    told = read_page(html.period_page(document(report))).text
    assert "received 4 1 3" in told


def sums(laws: Any) -> dict[str, int]:
    """Each count, over all laws."""
    counts = [vars(one.requests) for one in laws.values()]
    return {name: sum(one[name] for one in counts) for name in counts[0]}


def test_every_reason_and_law_has_words() -> None:
    assert DENIALS.keys() == set(DenialReason)
    assert EXTENSIONS.keys() == set(ExtensionReason)
    assert LAWS.keys() == set(Law)


def test_a_request_that_was_never_extended_held_or_denied_says_nothing_of_it(
    session: Session,
) -> None:
    report = report_of(session, make_request(session, "ada"))

    assert (report.request.extension, report.request.denial) == (None, None)
    assert report.outcomes[0].holds == ()
    for word in ("extended", "put aside", "denied"):
        assert word not in said(report)


def test_an_hour_is_enough_to_date_what_was_shredded(session: Session) -> None:
    """Entries keep the hour in which they were made; the minute goes with the payload."""
    request = make_request(session, "ada")
    moment = NOW + timedelta(minutes=40)
    holds.hold(session, request.id, reason=HoldReason.OTHER, now=moment)
    requests.cancel(session, request.id, now=moment, reason="asked to")
    retention.shred(session, request.id, now=NOW + 800 * DAY)

    (hold,) = report_of(session, request).outcomes[0].holds

    assert hold.since == NOW
