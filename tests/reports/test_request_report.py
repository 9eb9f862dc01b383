import base64
from datetime import timedelta

import pytest
from sqlalchemy.orm import Session

from app.errors import UnknownRequest
from app.ledger import batching, requests
from app.ledger.states import ErasureState, RequestState
from app.ledger.tables import DeletionRequest
from app.reports import html
from app.reports.document import document
from app.reports.request_report import RequestReport, request_report
from app.reports.summaries import of_outcome, of_request
from tests import factories
from tests.ledger.signing import sequence
from tests.reports import stages
from tests.reports.stages import NOW

TICKET = "ticket-of-ada-lovelace"


def report_of(session: Session, request: DeletionRequest) -> RequestReport:
    """As another transaction reads it."""
    session.flush()
    sequence(session)
    session.expire_all()
    return request_report(session, request.id)


def said(report: RequestReport) -> str:
    state = report.request.state
    outcomes = [sentence for one in report.outcomes for sentence in of_outcome(one, state)]
    return " ".join([*of_request(report), *outcomes])


def carried_out(session: Session, *, due_in: timedelta = timedelta(days=30)) -> DeletionRequest:
    """A request that one model has carried out, by the route hamu."""
    line = factories.make_model(session, route="hamu")
    factories.make_version(session, line)
    request = factories.make_request(session, "ada", due_at=NOW + due_in, external_id=TICKET)
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    factories.claim(session, job)
    stages.carried(session, job, "begin", "assess", "unlearn", "audit", "publish")
    return request


def test_a_request_that_was_carried_out_says_how_when_and_in_which_model(session: Session) -> None:
    report = report_of(session, carried_out(session))

    assert report.final
    (outcome,) = report.outcomes
    assert (outcome.model, outcome.version, outcome.made_by) == ("faces", 2, "hamu")
    assert (outcome.verdict, outcome.samples, outcome.audited) == ("pass", 2, stages.FORGOTTEN)
    assert outcome.findings == tuple(stages.answers()["audit"]["sentences"])
    assert [version.number for version in outcome.withdrawn] == [1]
    assert report.request.in_time is True
    assert "carried out for 1 model." in said(report)
    assert "Version 1, which had been trained on your samples, was taken out of use" in said(report)


def test_a_request_that_ended_after_its_date_says_so(session: Session) -> None:
    report = report_of(session, carried_out(session, due_in=timedelta(seconds=1)))

    assert report.request.in_time is False
    assert ", late: it had to be answered by 2 March 2026, 12:00:01 UTC." in said(report)


def test_neither_form_names_the_person_or_what_may_name_them(session: Session) -> None:
    report = report_of(session, carried_out(session))

    told = document(report)
    key = factories.key_of("ada")
    secrets = [key.hex(), base64.b64encode(key).decode(), TICKET, "ada-0", "ada-1"]
    for form in (told.content.decode(), html.request_page(document(report))):
        assert [secret for secret in secrets if secret in form] == []


def test_each_model_that_has_to_forget_has_its_own_outcome(session: Session) -> None:
    dataset = factories.make_dataset(session)
    for name in ("voices", "faces"):
        line = factories.make_model(session, dataset, name)
        factories.make_version(session, line)
    request = factories.make_request(session, "ada")
    batching.batch(session, line.id, now=NOW, flush=True)

    report = report_of(session, request)

    assert [outcome.model for outcome in report.outcomes] == ["faces", "voices"]
    assert [outcome.state for outcome in report.outcomes] == ["batched", "pending"]
    assert report.request.state is RequestState.IN_PROGRESS
    assert "the present step is: waiting for a worker." in said(report)
    assert "Work has not begun yet" in said(report)
    assert "It has to be answered by 1 April 2026, 12:00:00 UTC." in said(report)


def test_a_person_whom_no_model_knows_is_told_that(session: Session) -> None:
    factories.make_version(session)

    report = report_of(session, factories.make_request(session, "nobody"))

    assert report.request.state is RequestState.COMPLETED_NO_DATA
    assert (report.request.samples, report.outcomes) == (0, ())
    assert "No model in use was trained on your data" in said(report)
    assert "No sample of yours was found." in html.request_page(document(report))


def test_a_request_that_was_taken_back_changed_nothing(session: Session) -> None:
    factories.make_version(session)
    request = factories.make_request(session, "ada")
    requests.cancel(session, request.id, now=NOW, reason="asked by mistake")

    report = report_of(session, request)

    assert report.timeline[-1].facts["reason"] == "asked by mistake"
    assert "Nothing was changed, because the request was taken back." in said(report)


def test_a_request_on_hold_says_why_a_person_is_needed(session: Session) -> None:
    version = factories.make_version(session)
    everyone = [factories.make_request(session, person) for person in factories.PEOPLE]
    for person in everyone[:-1]:
        erasure = person.erasures[0]
        batching.hold(session, erasure, now=NOW)

    report = report_of(session, everyone[0])

    assert version.number == 1
    assert report.request.state is RequestState.ON_HOLD
    assert report.outcomes[0].state is ErasureState.ON_HOLD
    assert "nothing would remain to train a successor on" in said(report)


@pytest.mark.parametrize(
    ("route", "words"),
    [
        ("retrain", "It was trained again from the beginning without your samples."),
        ("hamu", "It was made by adjusting the version before"),
    ],
)
def test_the_person_is_told_how_it_was_done(session: Session, route: str, words: str) -> None:
    line = factories.make_model(session, route=route)
    factories.make_version(session, line)
    request = factories.make_request(session, "ada")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    factories.claim(session, job)
    stages.carried(
        session, job, "begin", "assess", "unlearn", "audit", "publish", route=route, references=0
    )

    assert words in said(report_of(session, request))


def test_an_unknown_request_has_no_report(session: Session) -> None:
    with pytest.raises(UnknownRequest):
        request_report(session, stages.NOBODY)
