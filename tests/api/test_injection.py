"""SQL, header and path injection: what comes in as text stays text."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.ledger.tables import DeletionRequest, Sample
from app.ledger.tombstone_tables import Tombstone
from tests.factories import announce_worker, make_job, make_version

REQUESTS = "/v1/deletion-requests"
SQL = [
    "'; DROP TABLE samples; --",
    "' OR '1'='1",
    "faces' UNION SELECT subject_key FROM samples --",
    "%' OR sample_id LIKE '%",
    "$$; SELECT pg_sleep(9); $$",
    "%(id)s :name {x}",
]
HEADERS = ["a\r\nX-Injected: 1", "a\nSet-Cookie: x=1", "a\r\n\r\n<html>", "a%0d%0aX-Injected: 1"]
PATHS = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "..",
    "....//",
    "C:\\x",
    "~root",
]
HOSTILE = [*SQL, *HEADERS, *PATHS]


@pytest.fixture(autouse=True)
def known(session: Session) -> None:
    make_job(session, parent=make_version(session))
    announce_worker(session)


def rows(session: Session) -> tuple[int, int]:
    """Samples, and those that are tombstoned."""
    everything, buried = (
        session.scalar(select(func.count()).select_from(table)) or 0
        for table in (Sample, Tombstone)
    )
    return everything, buried


def bodies(text: str) -> dict[str, dict[str, Any]]:
    """By path: a body with the text in each of its fields."""
    return {
        REQUESTS: {"subject": text, "external_id": text},
        f"{REQUESTS}?validate_only=true": {"dataset": text, "sample_ids": [text]},
        "/v1/datasets": {"name": text},
        "/v1/models": {"name": text, "recipe": text, "dataset": text},
        "/v1/models/faces/consumers": {"name": text, "contact": text},
        "/v1/models/faces/versions/1/derived": {
            "name": text,
            "location": text,
            "how": "fine_tune",
            "contact": text,
        },
        "/v1/webhooks": {"url": text, "events": [text], "model": text},
        "/v1/api-keys": {"name": text, "scopes": ["models:read"]},
        "/v1/models/faces:assess": {"sample_ids": [text]},
    }


@pytest.mark.parametrize("text", HOSTILE)
def test_text_in_a_body_is_stored_as_it_is_or_refused(
    http: TestClient, session: Session, text: str
) -> None:
    before = rows(session)

    answers = [http.post(path, json=body) for path, body in bodies(text).items()]

    assert {answer.status_code // 100 for answer in answers} <= {2, 4}
    assert not any("x-injected" in answer.headers for answer in answers)
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert rows(session) == before
    kept = session.scalars(select(DeletionRequest.external_id)).one()
    assert kept == text


def test_every_path_parameter_takes_hostile_text_for_a_name(
    app: FastAPI, http: TestClient, session: Session
) -> None:
    before = rows(session)
    paths = app.openapi()["paths"]
    asked = [(method, path) for path in paths for method in paths[path] if "{" in path]

    for method, path in asked:
        for text in ("'; DROP TABLE samples; --", "..%2f..%2fetc%2fpasswd", "a%0d%0aX-Injected: 1"):
            answer = http.request(method, path.format_map(Everywhere(text)), json={})

            assert answer.status_code in (404, 405, 415, 422), (method, path, answer.text)
            assert "x-injected" not in answer.headers
            assert "root:" not in answer.text
    assert rows(session) == before


class Everywhere(dict[str, str]):
    """The same text for every parameter of a path."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def __missing__(self, name: str) -> str:
        return self.text


@pytest.mark.parametrize("text", [*SQL, *PATHS])
def test_filters_match_what_they_say_and_nothing_else(http: TestClient, text: str) -> None:
    for path, name in (
        (REQUESTS, "external_id"),
        ("/v1/jobs", "model"),
        ("/v1/ledger/entries", "kind"),
    ):
        answer = http.get(path, params={name: text})

        assert answer.status_code in (200, 404, 422), answer.text
        assert answer.status_code != 200 or answer.json()["items"] == [] or name == "kind"


@pytest.mark.parametrize("text", [*SQL, *PATHS, "a\tb", "x" * 5_000])
def test_request_headers_are_text_too(http: TestClient, session: Session, text: str) -> None:
    hostile = dict.fromkeys(
        ("Idempotency-Key", "Authorization", "If-None-Match", "X-Forwarded-For", "X-Request-Id"),
        text,
    )

    answer = http.post(REQUESTS, json={"subject": "nobody"}, headers=hostile)

    assert answer.status_code in (202, 400), answer.text
    assert text not in str(answer.headers)
    assert rows(session)[0] == 10


@pytest.mark.parametrize("text", PATHS)
def test_no_name_leads_out_of_the_data_folder(
    http: TestClient, configured: Settings, text: str
) -> None:
    outside = set(configured.data_dir.parent.iterdir())

    for path in (f"/v1/models/{text}/versions", "/v1/models/faces/versions"):
        http.post(
            path,
            files={"weights": (text, b"x"), "training_set": (text, b"ada-0\n")},
            data={"name": text, "made_by": text},
        )

    assert set(configured.data_dir.parent.iterdir()) == outside
    assert not list(Path(configured.data_dir).rglob("*passwd*"))


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text("'\";-%$\\\r\n\0:/.ab\u2028\U0001f986", min_size=1, max_size=30))
def test_any_text_comes_back_whole_or_not_at_all(http: TestClient, text: str) -> None:
    told = http.post(
        f"{REQUESTS}?validate_only=true", json={"subject": "nobody", "external_id": text}
    )
    listed = http.get(REQUESTS, params={"external_id": text})

    assert told.status_code in (200, 422), told.text
    assert listed.status_code in (200, 422), listed.text
    assert listed.status_code == 422 or listed.json()["items"] == []
    assert ("\0" in text) == (told.status_code == 422), json.dumps(text)
