"""What reports tell of those who used a withdrawn version outside of this service."""

from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger import batching, consumers, model_lines, webhooks
from app.ledger.outbox import EventType
from app.ledger.states import RequestState
from app.ledger.tables import DeletionRequest, Job, ModelVersion
from app.ledger.webhook_tables import Signing
from app.reports import html
from app.reports.document import document
from app.reports.facts import Consumers
from app.reports.job_report import JobReport, job_report
from app.reports.request_report import request_report
from app.reports.summaries import of_outcome
from tests import factories
from tests.factories import NOW
from tests.reports import stages


@pytest.fixture
def job(session: Session) -> Job:
    """A finished job of a model with two consumers: one was told and answered, one was silent."""
    line = factories.make_model(session, route="hamu")
    version = factories.make_version(session, line)
    webhook = webhooks.create(
        session,
        "https://hooks.example/",
        events=[EventType.JOB_FAILED],
        model=None,
        signing=Signing.HMAC,
        now=NOW,
    )
    consumers.register(session, line, "pricing", contact="-", webhook=webhook, now=NOW)
    consumers.register(session, line, "search", contact="-", webhook=None, now=NOW)
    factories.make_request(session, "ada")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    factories.claim(session, job)
    stages.carried(session, job, "begin", "assess", "unlearn", "audit", "publish")
    session.flush()
    consumers.note_told(session, webhook.id, version.id, now=NOW)
    return job


def acknowledge(session: Session, job: Job) -> None:
    line = model_lines.by_id(session, job.model_id)
    parent = job.parent_version_id
    assert parent is not None
    version = session.get_one(ModelVersion, parent)
    consumers.acknowledge(session, line, version, "pricing", done="moved on", now=NOW)


def told(session: Session, job_id: UUID) -> JobReport:
    session.flush()
    session.expire_all()
    return job_report(session, job_id)


def test_both_reports_count_who_was_told_and_who_has_answered(session: Session, job: Job) -> None:
    acknowledge(session, job)

    report = told(session, job.id)

    (withdrawn,) = report.withdrawn
    assert withdrawn.consumers == Consumers(registered=2, notified=1, acknowledged=1)
    assert (
        "Of 2 registered consumers, 1 took the news by webhook and 1 said what they did about it."
        in html.job_page(document(report))
    )
    request_id = session.scalars(select(DeletionRequest.id)).one()
    (outcome,) = request_report(session, request_id).outcomes
    assert outcome.withdrawn == report.withdrawn
    assert "2 registered users of it outside of this service had to be told; 1 confirmed" in (
        " ".join(of_outcome(outcome, RequestState.COMPLETED))
    )


def test_an_answer_that_comes_later_gives_the_report_a_new_digest(
    session: Session, job: Job
) -> None:
    before = document(told(session, job.id)).sha256

    acknowledge(session, job)

    assert document(told(session, job.id)).sha256 != before


def test_without_consumers_nothing_is_said_of_them(session: Session) -> None:
    report = told(session, stages.succeeded(session, "ada").id)

    assert report.withdrawn[0].consumers == Consumers(0, 0, 0)
    assert "consumers" not in html.job_page(document(report))
