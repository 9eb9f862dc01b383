"""Reports, as JSON for programs and as pages for people, and the page at the root."""

import hashlib
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from app.api.deps import SessionDep
from app.api.negotiation import prefers
from app.api.polling import POLL_SECONDS
from app.api.problems import Malformed, refusals
from app.errors import UnknownJob, UnknownRequest
from app.reports import html
from app.reports.document import document
from app.reports.job_report import JobReport, job_report
from app.reports.landing import landing
from app.reports.request_report import RequestReport, request_report

router = APIRouter(tags=["reports"])
HTML, JSON = HTMLResponse.media_type, JSONResponse.media_type
HARDENED = {
    "Content-Security-Policy": html.POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
Format = Annotated[
    Literal["json", "html"] | None,
    Query(description="Which form; without it, what the Accept header prefers, else JSON."),
]
Report = TypeVar("Report", JobReport, RequestReport)


def described(what: str) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the report in either form, and that it has not changed."""
    return {
        200: {
            "description": f"{what} The ETag of the JSON is its SHA-256.",
            "content": {HTML: {"schema": {"type": "string"}}},
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


@router.get("/", include_in_schema=False)
def read_landing(session: SessionDep) -> HTMLResponse:
    """For a person who opens the service's address in a browser."""
    return HTMLResponse(
        html.landing_page(landing(session)), headers={**HARDENED, "Cache-Control": "no-cache"}
    )


def answer(
    http: Request,
    asked: Literal["json", "html"] | None,
    report: Report,
    page: Callable[[Report, str], str],
) -> Response:
    """The report in the form that is wanted, or 304."""
    told = document(report)
    headers = {"ETag": f'"{told.sha256}"', "Cache-Control": "no-cache", "Vary": "Accept"}
    content, media_type = told.content, JSON
    if asked == "html" or (asked is None and prefers(http.headers.get("Accept"), HTML, JSON)):
        content, media_type = page(report, told.sha256).encode(), HTML
        # A page may change with the service while its report stays what it is.
        written = hashlib.sha256(content).hexdigest()[:16]
        headers |= {**HARDENED, "ETag": f'"{told.sha256}-{written}"'}
    if not report.final:
        headers["Retry-After"] = str(POLL_SECONDS)
    if headers["ETag"] in http.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)
