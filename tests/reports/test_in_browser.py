"""The pages in a real browser: on a telephone, none is wider than its window."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger.tables import DeletionRequest
from app.reports import html
from app.reports.document import document
from app.reports.job_report import job_report
from app.reports.landing import landing
from app.reports.period_report import period_report
from app.reports.request_report import request_report
from benchmarks import browser
from benchmarks.pages import SIDEWAYS, WIDTHS
from tests.reports import stages

PROGRAM = browser.found()
UTC = ZoneInfo("UTC")
HIDDEN = """[...document.querySelectorAll(".wide")]
  .filter(one => one.scrollWidth > one.clientWidth)
  .map(one => one.getAttribute("aria-label"))"""
OPEN_ALL = 'document.querySelectorAll("details").forEach(one => one.open = true)'


@pytest.fixture(scope="module")
def tab() -> Iterator[browser.Tab]:
    if PROGRAM is None:
        pytest.skip("there is no Chromium here")
    with browser.tab(PROGRAM) as tab:
        yield tab


def of_job(session: Session) -> str:
    return html.job_page(document(job_report(session, stages.succeeded(session, "ada").id)))


def of_training(session: Session) -> str:
    return html.job_page(document(job_report(session, stages.trained(session).id)))


def of_request(session: Session) -> str:
    stages.succeeded(session, "ada")
    session.expire_all()
    request_id = session.scalars(select(DeletionRequest.id)).one()
    return html.request_page(document(request_report(session, request_id)))


def of_period(session: Session) -> str:
    stages.succeeded(session, "ada")
    days = (date(2026, 3, 1), date(2026, 3, 31))
    session.expire_all()
    return html.period_page(document(period_report(session, *days, zone=UTC, now=stages.NOW)))


def of_landing(session: Session) -> str:
    stages.succeeded(session, "ada")
    session.expire_all()
    return html.landing_page(landing(session))


@pytest.mark.parametrize("make", [of_job, of_training, of_request, of_period, of_landing])
def test_no_page_and_no_table_is_wider_than_its_window(
    session: Session, tab: browser.Tab, tmp_path: Path, make: Callable[[Session], str]
) -> None:
    page = tmp_path / "page.html"
    page.write_text(make(session).replace("http-equiv", "data-left-out"))  # it keeps still

    for width in WIDTHS.values():
        tab.show(page.as_uri(), width=width)
        tab.evaluate(OPEN_ALL)

        assert tab.evaluate("window.innerWidth") == width
        assert tab.evaluate(SIDEWAYS) == 0
        assert tab.evaluate(HIDDEN) == []


def test_a_page_that_is_too_wide_is_found(tab: browser.Tab, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    fitted = '<meta name="viewport" content="width=device-width">'
    page.write_text(f'<!doctype html>{fitted}<div style="width: 600px">wide</div>')

    tab.show(page.as_uri(), width=390)

    assert tab.evaluate(SIDEWAYS) > 200
