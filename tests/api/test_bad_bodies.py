"""What is no request at all: malformed, oversized, unstorable. Never a crash, never an echo."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.main import create_app
from tests.api.conftest import Call, FakeQueue
from tests.factories import announce_worker, make_version

PATH = "/v1/deletion-requests"
PERSON = "ada@example.org"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ([], ""),
        (PERSON, ""),
        (None, ""),
        ({"subject": None}, ""),
        ({"subject": ""}, "/subject"),
        ({"subject": "   "}, "/subject"),
        ({"subject": "\u00a0\u3000"}, "/subject"),
        ({"subject": PERSON * 40}, "/subject"),
        ({"subject": "\ufdfa" * 512}, "/subject"),
        ({"subject": 7}, "/subject"),
        ({"subject": [PERSON]}, "/subject"),
        ({"subject": PERSON, "more": PERSON}, "/more"),
        ({"subject": PERSON, "external_id": ""}, "/external_id"),
        ({"subject": PERSON, "external_id": PERSON * 40}, "/external_id"),
        ({"subject": PERSON, "received_at": PERSON}, "/received_at"),
        ({"subject": PERSON, "received_at": 1e400}, "/received_at"),
        ({"subject": PERSON, "dataset": "faces"}, ""),
        ({"sample_ids": [PERSON]}, ""),
        ({"dataset": "faces", "sample_ids": []}, "/sample_ids"),
        ({"dataset": "faces", "sample_ids": PERSON}, "/sample_ids"),
        ({"dataset": "faces", "sample_ids": [PERSON, 7]}, "/sample_ids/1"),
        ({"dataset": "faces", "sample_ids": [str(n) for n in range(100_001)]}, "/sample_ids"),
    ],
)
def test_a_malformed_body_is_refused_without_repeating_it(
    refused: Call, body: Any, pointer: str
) -> None:
    problem = refused("POST", PATH, 422, "malformed", content=json.dumps(body), headers=JSON)

    assert pointer in [place["pointer"] for place in problem["errors"]]
    assert PERSON not in json.dumps(problem)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"subject": "' + PERSON.encode(),
        b'{"subject": "\\ud800"}',
        b'{"subject": ' + b"[" * 100_000,
        b'{"subject": ' + b"9" * 10_000 + b"}",
        b'{"subject": NaN}',
    ],
)
def test_what_is_not_json_is_refused(refused: Call, content: bytes) -> None:
    problem = refused("POST", PATH, 422, "malformed", content=content, headers=JSON)

    assert PERSON not in json.dumps(problem)


def test_json_under_another_name_is_refused(refused: Call) -> None:
    content = json.dumps({"subject": PERSON})
    headers = {"Content-Type": "text/plain"}

    problem = refused("POST", PATH, 422, "malformed", content=content, headers=headers)

    assert PERSON not in json.dumps(problem)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", PATH, {"subject": "ada", "external_id": "a\0b"}),
        ("POST", PATH, {"dataset": "a\0b", "sample_ids": ["a"]}),
        ("POST", PATH, {"dataset": "faces", "sample_ids": ["ada-0", "a\0b"]}),
        ("POST", "/v1/models", {"name": "m", "recipe": "tiny", "dataset": "a\0b"}),
        ("GET", f"{PATH}?external_id=a%00b", None),
        ("GET", "/v1/jobs?model=a%00b", None),
        ("GET", "/v1/datasets/a%00b", None),
        ("GET", "/v1/models/a%00b", None),
        ("GET", "/v1/models/faces/versions/99999999999", None),
        ("GET", "/v1/models/faces/versions/9e9", None),
    ],
)
def test_what_the_database_cannot_hold_is_refused(
    session: Session, refused: Call, method: str, path: str, body: Any
) -> None:
    make_version(session)
    announce_worker(session)

    refused(method, path, 422, "malformed", json=body)


def test_a_subject_may_hold_whatever_text_can(post: Call) -> None:
    assert post(PATH, subject="a\0b \u2028 🦆")["state"] == "completed_no_data"


@pytest.fixture
def narrow(configured: Settings) -> Iterator[TestClient]:
    """A service that takes little at once; its refusals come before any question to a database."""
    little = {"max_body_bytes": 1000, "max_upload_bytes": 2000}
    unreachable = {"database_url": "postgresql+psycopg:///nowhere?host=/nowhere"}
    app = create_app(configured.model_copy(update=little | unreachable), FakeQueue())
    with TestClient(app) as http:
        yield http


@pytest.mark.parametrize("path", [PATH, "/v1/models", "/v1/datasets"])
def test_a_body_that_is_too_large_is_refused_before_it_is_parsed(
    narrow: TestClient, path: str
) -> None:
    response = narrow.post(path, content=b"x" * 1001, headers=JSON)
    fits = narrow.post(path, content=b"x" * 1000, headers=JSON)

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["content-type"] == "application/problem+json"
    assert fits.json()["code"] == "malformed"


def test_a_body_in_pieces_is_counted_as_a_whole(narrow: TestClient) -> None:
    response = narrow.post(PATH, content=iter([b" " * 400] * 3), headers=JSON)

    assert response.status_code == 413


def test_an_import_that_is_too_large_is_refused(narrow: TestClient) -> None:
    headers = {"Content-Type": "application/x-ndjson"}

    response = narrow.post("/v1/datasets/faces/samples", content=b"x" * 2001, headers=headers)

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["content-type"] == "application/problem+json"


def test_an_upload_that_is_too_large_is_refused(narrow: TestClient) -> None:
    files = {"weights": b"x" * 2000, "training_set": b"a"}

    response = narrow.post("/v1/models/faces/versions", files=files)

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert response.headers["content-type"] == "application/problem+json"


def test_a_database_that_does_not_answer_is_said_so(narrow: TestClient) -> None:
    response = narrow.get("/readyz")

    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert response.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v2", 404, "no_such_path"),
        ("GET", f"{PATH}/ada", 422, "malformed"),
        ("GET", f"{PATH}/00000000-0000-4000-8000-000000000000", 404, "unknown_request"),
        ("DELETE", PATH, 405, "no_such_method"),
        ("GET", "/v1/jobs/00000000-0000-4000-8000-000000000000", 404, "unknown_job"),
        ("GET", "/v1/jobs?state=asleep", 422, "malformed"),
        ("GET", "/v1/jobs?model=x", 404, "unknown_model"),
        ("GET", "/v1/datasets/x", 404, "unknown_dataset"),
        ("GET", "/v1/models/x", 404, "unknown_model"),
        ("GET", "/v1/models/x/versions", 404, "unknown_model"),
        ("GET", "/v1/models/faces/versions/7", 404, "unknown_version"),
        ("GET", "/v1/models/faces/versions/7/weights", 404, "unknown_version"),
        ("POST", "/v1/models/x:flush", 404, "unknown_model"),
    ],
)
def test_what_is_not_there_is_said_so(
    session: Session, refused: Call, method: str, path: str, status: int, code: str
) -> None:
    make_version(session)

    refused(method, path, status, code)


def test_a_method_that_is_not_taken_comes_with_those_that_are(http: TestClient) -> None:
    response = http.delete("/v1/workers")

    assert response.headers["allow"] == "GET"
