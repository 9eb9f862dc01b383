"""Every form of a report is made of the same bytes."""

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from zoneinfo import ZoneInfo

import pytest
from pypdf import PdfReader
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.evidence.canonical import canonical
from app.ledger.tables import DeletionRequest, Job
from app.reports import html
from app.reports.document import Document, document, read_back
from app.reports.job_report import JobReport, job_report
from app.reports.pdf import pdf
from app.reports.period_report import PeriodReport, period_report
from app.reports.request_report import RequestReport, request_report
from app.reports.sheet import sheet
from tests.reports import stages
from tests.reports.test_pages import awaiting

UNHEARD_OF = 0.654321


@pytest.mark.parametrize("stage", [stages.queued, awaiting, stages.succeeded, stages.trained])
def test_a_jobs_report_read_back_is_the_same_bytes(
    session: Session, stage: Callable[[Session], Job]
) -> None:
    told = document(job_report(session, stage(session).id))

    assert document(read_back(told, JobReport)) == told


def test_a_requests_and_a_periods_report_read_back_are_the_same_bytes(session: Session) -> None:
    stages.succeeded(session, "ada")
    session.expire_all()
    request_id = session.scalars(select(DeletionRequest.id)).one()

    of_request = document(request_report(session, request_id))
    march = (date(2026, 3, 1), date(2026, 3, 31))
    of_period = document(period_report(session, *march, zone=ZoneInfo("UTC"), now=stages.NOW))

    assert document(read_back(of_request, RequestReport)) == of_request
    assert document(read_back(of_period, PeriodReport)) == of_period


def test_every_form_shows_what_the_bytes_say(session: Session) -> None:
    facts = json.loads(document(job_report(session, stages.succeeded(session).id)).content)
    facts["audit"]["attacks"][0]["auc"]["estimate"] = UNHEARD_OF
    told = Document(canonical(facts))

    page = html.job_page(told, still=True)
    sheets = PdfReader(io.BytesIO(pdf(page, told.sha256))).pages
    cells = [cell for row in csv.reader(io.StringIO(sheet(told))) for cell in row]

    assert "0.654" in page
    assert any("0.654" in sheet.extract_text() for sheet in sheets)
    assert str(UNHEARD_OF) in cells
    assert all(told.sha256 in form for form in (page, sheets[0].extract_text(), cells[9]))
