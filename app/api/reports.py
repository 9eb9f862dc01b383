"""Reports in four forms, each made from the same JSON, and the page at the root."""

import hashlib
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from app.api import etags
from app.api.deps import NowDep, SessionDep, SettingsDep
from app.api.negotiation import preferred
from app.api.polling import POLL_SECONDS
from app.api.problems import Malformed, refusals
from app.errors import UnknownJob, UnknownRequest
from app.reports import html
from app.reports.document import Document, Report, document
from app.reports.job_report import JobReport, job_report
from app.reports.landing import landing
from app.reports.pdf import pdf
from app.reports.period_report import PeriodReport, period_report
from app.reports.request_report import RequestReport, request_report
from app.reports.sheet import sheet

router = APIRouter(tags=["reports"])


class Form(StrEnum):
    """The forms of a report."""

    JSON = "json"
    HTML = "html"
    CSV = "csv"
    PDF = "pdf"


MEDIA_TYPES = {
    Form.JSON: JSONResponse.media_type,
    Form.HTML: HTMLResponse.media_type,
    Form.CSV: "text/csv",
    Form.PDF: "application/pdf",
}
FORMS = {media_type: form for form, media_type in MEDIA_TYPES.items()}
LOOKS, SOURCES = Path(html.__file__).parent, (".py", ".html", ".css")
FIRST_YEAR, LAST_YEAR = 1900, 9998  # a day before and after them can still be written
HARDENED = {
    "Content-Security-Policy": html.POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
Format = Annotated[
    Form | None,
    Query(description="Which form; without it, what the Accept header prefers, else JSON."),
]


class Page(Protocol):
    """Makes the page of a report; one that will be printed keeps still."""

    def __call__(self, told: Document, *, still: bool = False) -> str: ...


def described(what: str) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the report in every form, and that it has not changed."""
    text = {"schema": {"type": "string"}}
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        200: {
            "description": f"{what} The ETag of the JSON is its SHA-256, which every form shows.",
            "content": {
                MEDIA_TYPES[Form.HTML]: text,
                MEDIA_TYPES[Form.CSV]: text,
                MEDIA_TYPES[Form.PDF]: binary,
            },
        },
        304: {"description": "It is still the one that `If-None-Match` names."},
    }


@router.get(
    "/v1/jobs/{job_id}/report",
    summary="Read a job's report",
    response_model=JobReport,
    responses=described("What a job did and what came of it.") | refusals(UnknownJob, Malformed),
)
def read_job_report(
    job_id: UUID, session: SessionDep, http: Request, format: Format = None
) -> Response:
    """The decision and its reasons, the run, the audit, the costs; of a job under way, so far."""
    return answer(http, format, job_report(session, job_id), html.job_page)


@router.get(
    "/v1/deletion-requests/{request_id}/report",
    summary="Read a deletion request's report",
    response_model=RequestReport,
    responses=described("What was done about a request.") | refusals(UnknownRequest, Malformed),
)
def read_request_report(
    request_id: UUID, session: SessionDep, http: Request, format: Format = None
) -> Response:
    """For the person who asked, without naming them; of a request under way, so far."""
    return answer(http, format, request_report(session, request_id), html.request_page)


@router.get(
    "/v1/reports/period",
    summary="Read a period's report",
    response_model=PeriodReport,
    responses=described("Requests, answers and changes of models in a period.")
    | refusals(Malformed),
)
def read_period_report(
    session: SessionDep,
    settings: SettingsDep,
    now: NowDep,
    http: Request,
    first: Annotated[date, Query(alias="from", description="The first day.")],
    last: Annotated[date, Query(alias="to", description="The last day, included.")],
    format: Format = None,
) -> Response:
    """For the auditor: counts by CCPA section 7102, and what became of every model version.

    Days begin and end in the zone of LACUNA_TIMEZONE, which the report names.
    """
    if not FIRST_YEAR <= first.year <= last.year <= LAST_YEAR or last < first:
        raise Malformed("a period begins with `from` and ends with `to`, which is not earlier")
    report = period_report(session, first, last, zone=ZoneInfo(settings.timezone), now=now)
    return answer(http, format, report, html.period_page)


@router.get("/", include_in_schema=False)
def read_landing(session: SessionDep) -> HTMLResponse:
    """For a person who opens the service's address in a browser."""
    return HTMLResponse(
        html.landing_page(landing(session)), headers={**HARDENED, "Cache-Control": "no-cache"}
    )


def answer(http: Request, asked: Form | None, report: Report, page: Page) -> Response:
    """The report in the form that is wanted, or 304; that is found out before a form is made."""
    told = document(report)
    form = asked or FORMS[preferred(http.headers.get("Accept"), tuple(FORMS))]
    headers = {"ETag": etag(form, told), "Cache-Control": "no-cache", "Vary": "Accept"}
    if form is Form.HTML:
        headers |= HARDENED
    if form in (Form.CSV, Form.PDF):
        headers["Content-Disposition"] = f'inline; filename="report-{told.sha256[:16]}.{form}"'
    if not report.final:
        headers["Retry-After"] = str(POLL_SECONDS)
    if etags.known(http.headers.get("If-None-Match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(written(form, told, page), media_type=MEDIA_TYPES[form], headers=headers)


def written(form: Form, told: Document, page: Page) -> bytes:
    """The report in one form."""
    match form:
        case Form.JSON:
            return told.content
        case Form.HTML:
            return page(told).encode()
        case Form.CSV:
            return sheet(told).encode()
        case Form.PDF:
            return pdf(page(told, still=True), told.sha256)


def etag(form: Form, told: Document) -> str:
    """The digest of the JSON; a form of it may change with the service while that stays."""
    if form is Form.JSON:
        return f'"{told.sha256}"'
    return f'"{told.sha256}-{form}-{looks()}"'


@cache
def looks() -> str:
    """What the forms of a report depend on besides it: our code and templates, and two libraries.

    16 digits of SHA-256; all of it is read once.
    """
    parts = [path.read_bytes() for path in sorted(LOOKS.rglob("*.*")) if path.suffix in SOURCES]
    parts += [version(library).encode() for library in ("jinja2", "reportlab")]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
