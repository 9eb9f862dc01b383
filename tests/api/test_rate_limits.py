from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.auth import Auth
from app.config import Settings
from app.db import connect, sessions_of
from app.main import STREAMS, create_app
from tests.api.conftest import Call, Clock, FakeQueue
from tests.api.keys import make_key
from tests.factories import PEPPER

LIMIT = 5
NDJSON = "application/x-ndjson"


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path, pepper=PEPPER, auth=Auth.OPEN, rate_limit=LIMIT, requests_per_day=3
    )


def test_a_caller_that_asks_too_often_is_told_when_to_come_back(
    http: TestClient, clock: Clock
) -> None:
    first, *others = [http.get("/v1/models") for _ in range(LIMIT)]

    late = http.get("/v1/models")

    assert {answer.status_code for answer in (first, *others)} == {200}
    assert first.headers["RateLimit-Policy"] == '"minute";q=5;w=60'
    assert first.headers["RateLimit"] == '"minute";r=4;t=12'
    assert others[-1].headers["RateLimit"] == '"minute";r=0;t=60'
    assert (late.status_code, late.json()["code"]) == (429, "rate_limited")
    assert late.headers["Retry-After"] == "12"
    clock.pass_by(11.9)
    assert http.get("/v1/models").status_code == 429
    clock.pass_by(0.1)
    assert http.get("/v1/models").status_code == 200
    assert http.get("/v1/models").status_code == 429


def test_no_header_gives_a_caller_another_allowance(http: TestClient) -> None:
    answers = [
        http.get(
            "/v1/models",
            headers={
                "X-Forwarded-For": f"198.51.100.{n}",
                "X-Real-IP": f"198.51.100.{n}",
                "Forwarded": f"for=198.51.100.{n}",
            },
        )
        for n in range(LIMIT + 1)
    ]

    assert answers[-1].status_code == 429


def test_each_key_has_an_allowance_of_its_own(http: TestClient, session: Session) -> None:
    one, other = make_key(session), make_key(session)
    for _ in range(LIMIT):
        http.get("/v1/models", headers=one)

    assert http.get("/v1/models", headers=one).status_code == 429
    assert http.get("/v1/models", headers=other).status_code == 200


def test_guessing_keys_is_limited_too(http: TestClient) -> None:
    tries = [
        http.get("/v1/models", headers={"Authorization": f"Bearer lac_{n:012x}_{'A' * 43}"})
        for n in range(LIMIT + 1)
    ]

    assert [answer.status_code for answer in tries] == [401] * LIMIT + [429]


def test_health_is_never_limited(http: TestClient) -> None:
    answers = {http.get("/healthz").status_code for _ in range(2 * LIMIT)}

    assert answers == {200}


def test_a_days_deletion_requests_are_limited(
    http: TestClient, refused: Call, clock: Clock
) -> None:
    def submit() -> int:
        return http.post("/v1/deletion-requests", json={"subject": "nobody"}).status_code

    assert [submit() for _ in range(3)] == [202, 202, 202]
    problem = refused(
        "POST", "/v1/deletion-requests", 429, "quota_spent", json={"subject": "nobody"}
    )
    assert "3 deletion requests a day" in problem["detail"]
    clock.pass_by(24 * 3600 / 3)
    assert submit() == 202


def test_what_is_refused_or_repeated_costs_nothing_of_the_days_quota(
    app: FastAPI, http: TestClient, configured: Settings
) -> None:
    app.state.settings = configured.model_copy(update={"rate_limit": 0})
    path, ghost = "/v1/deletion-requests", {"dataset": "nowhere", "sample_ids": ["x"]}
    key = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}
    for _ in range(4):
        assert http.post(path, json=ghost).status_code == 404
        assert http.post(path, json={"subject": "nobody"}, headers=key).status_code == 202

    lines = b'{"subject": "a"}\n' * 3
    in_bulk = http.post(f"{path}:bulk", content=lines, headers={"Content-Type": NDJSON})

    assert in_bulk.json()["code"] == "quota_spent"
    assert [http.post(path, json={"subject": "a"}).status_code for _ in range(3)] == [202, 202, 429]
    assert http.post(path, json={"subject": "nobody"}, headers=key).status_code == 202


def test_many_submissions_at_once_need_one_connection_each(
    configured: Settings, fresh_database: str
) -> None:
    settings = {"database_url": fresh_database, "rate_limit": 0, "requests_per_day": 1000}
    app = create_app(configured.model_copy(update=settings), FakeQueue())
    one = connect(fresh_database, pool_size=1, max_overflow=0, pool_timeout=5)
    app.state.sessions = sessions_of(one)
    app.state.counting = one.execution_options(isolation_level="AUTOCOMMIT")

    def submit(place: int) -> int:
        return http.post("/v1/deletion-requests", json={"subject": f"p{place}"}).status_code

    with TestClient(app) as http, ThreadPoolExecutor(4) as callers:
        codes = set(callers.map(submit, range(8)))
    one.dispose()

    assert codes == {202}


def test_every_route_that_takes_a_body_refuses_one_that_is_too_large(
    app: FastAPI, http: TestClient, configured: Settings
) -> None:
    http.app.state.settings = configured.model_copy(update={"rate_limit": 0})  # type: ignore[attr-defined]  # it is FastAPI
    paths = app.openapi()["paths"]
    sent = [path for path in paths for method in paths[path] if method in ("post", "patch")]
    streamed = {path for path in sent if path.endswith(STREAMS)}

    answers = {
        path: http.request(
            "PATCH" if "patch" in paths[path] else "POST",
            path.format(**dict.fromkeys(("name", "number", "job_id", "request_id"), "1"), **REST),
            content=b"x" * (configured.max_body_bytes + 1),
        ).status_code
        for path in sent
        if path not in streamed
    }

    assert set(answers.values()) == {413}


REST = dict.fromkeys(("webhook_id", "delivery_id", "consumer", "derived_id", "key_id"), "1")
