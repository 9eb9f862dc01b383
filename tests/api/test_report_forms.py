"""A report in its four forms, over HTTP."""

import csv
import hashlib
import io
from uuid import UUID

import pytest
from pypdf import PdfReader
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api import reports
from app.api.negotiation import preferred
from app.ledger.tables import ModelVersion
from tests.api.conftest import Call
from tests.factories import make_job, make_model, make_request, make_version

TYPES = {
    "json": "application/json",
    "html": "text/html; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def version(session: Session) -> ModelVersion:
    return make_version(session, make_model(session))


@pytest.fixture
def request_id(session: Session, version: ModelVersion) -> UUID:
    return make_request(session, "ada").id


@pytest.fixture(params=["jobs", "deletion-requests", "period"])
def path(
    request: pytest.FixtureRequest, session: Session, version: ModelVersion, request_id: UUID
) -> str:
    if request.param == "period":
        return "/v1/reports/period?from=2026-03-01&to=2026-03-31"
    row = make_job(session, parent=version).id if request.param == "jobs" else request_id
    return f"/v1/{request.param}/{row}/report"


def named(path: str, form: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}format={form}"


@pytest.mark.parametrize("form", TYPES)
def test_each_form_can_be_asked_for_by_name_or_by_accept(
    http: TestClient, path: str, form: str
) -> None:
    by_name = http.get(named(path, form))
    by_accept = http.get(path, headers={"Accept": TYPES[form]})

    assert by_name.headers["content-type"] == TYPES[form]
    assert by_name.content == by_accept.content
    assert by_accept.headers["vary"] == "Accept"


def test_every_form_shows_the_digest_of_the_json(http: TestClient, path: str) -> None:
    digest = hashlib.sha256(http.get(path).content).hexdigest()

    first = list(csv.reader(io.StringIO(http.get(named(path, "csv")).text)))[1]
    sheets = PdfReader(io.BytesIO(http.get(named(path, "pdf")).content)).pages

    assert digest in http.get(named(path, "html")).text
    assert first[1] == f"sha256:{digest}"
    assert all(digest in sheet.extract_text() for sheet in sheets)


@pytest.mark.parametrize("form", TYPES)
def test_a_form_that_somebody_has_is_not_sent_again(http: TestClient, path: str, form: str) -> None:
    etag = http.get(named(path, form)).headers["etag"]

    again = http.get(named(path, form), headers={"If-None-Match": etag})

    assert (again.status_code, again.content) == (304, b"")


def test_what_somebody_has_is_not_made_again(
    http: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = http.get(named(path, "pdf")).headers["etag"]
    monkeypatch.setattr(reports, "pdf", None)

    again = http.get(named(path, "pdf"), headers={"If-None-Match": etag})

    assert again.status_code == 304


def test_a_changed_template_gives_pages_another_etag(
    http: TestClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forms = ("json", "html", "csv", "pdf")
    before = [http.get(named(path, form)).headers["etag"] for form in forms]
    monkeypatch.setattr(reports, "looks", lambda: "another")

    after = [http.get(named(path, form)).headers["etag"] for form in forms]

    assert after[0] == before[0]
    assert not set(after[1:]) & set(before)
    assert len(set(before)) == len(forms)


def test_files_to_keep_are_named_after_their_json(http: TestClient, request_id: UUID) -> None:
    path = f"/v1/deletion-requests/{request_id}/report"
    digest = hashlib.sha256(http.get(path).content).hexdigest()

    header = http.get(named(path, "pdf")).headers["content-disposition"]

    assert header == f'inline; filename="report-{digest[:16]}.pdf"'


@pytest.mark.parametrize(
    "days",
    [
        {},
        {"from": "2026-03-01"},
        {"from": "2026-03-02", "to": "2026-03-01"},
        {"from": "yesterday", "to": "2026-03-01"},
        {"from": "0001-01-01", "to": "2026-03-01"},
        {"from": "2026-03-01", "to": "9999-12-31"},
    ],
)
def test_a_period_that_is_none_is_refused(refused: Call, days: dict[str, str]) -> None:
    refused("GET", "/v1/reports/period", 422, "malformed", params=days)


def test_a_periods_days_are_those_of_the_services_zone(get: Call, request_id: UUID) -> None:
    day = {"from": "2026-03-02", "to": "2026-03-02"}

    report = get("/v1/reports/period", **day)

    period = report["period"]
    assert (period["zone"], period["final"]) == ("Europe/Berlin", False)
    assert (period["begins"], period["ends"]) == ("2026-03-01T23:00:00Z", "2026-03-02T23:00:00Z")
    assert report["requests"]["received"] == 1


def test_another_form_is_refused(refused: Call, request_id: UUID) -> None:
    path = f"/v1/deletion-requests/{request_id}/report"

    refused("GET", path, 422, "malformed", params={"format": "docx"})


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        (BROWSER, "text/html"),
        ("text/*", "text/html"),
        ("text/csv, application/json;q=0.5", "text/csv"),
        ("application/pdf;q=0.9, text/html;q=0.4", "application/pdf"),
        ("application/*;q=0.2, application/json;q=0.1", "application/pdf"),
        ("image/png", "application/json"),
        ("text/csv;q=much", "application/json"),
    ],
)
def test_the_best_of_what_is_offered_is_chosen(accept: str | None, chosen: str) -> None:
    offered = ("application/json", "text/html", "text/csv", "application/pdf")

    assert preferred(accept, offered) == chosen
