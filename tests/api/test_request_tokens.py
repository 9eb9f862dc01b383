from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api import scopes
from app.auth import Scope
from tests.api.conftest import Call, Clock
from tests.api.keys import bearer, make_key
from tests.api.test_guard import Placeholders, routes
from tests.factories import NOW, make_dataset, make_version

pytestmark = pytest.mark.usefixtures("keys_required")
REQUESTS = "/v1/deletion-requests"


@pytest.fixture
def desk(session: Session) -> dict[str, str]:
    """The key of whoever takes requests in."""
    make_version(session)
    return make_key(session, Scope.REQUESTS_WRITE)


def submit(http: TestClient, desk: dict[str, str], person: str) -> str:
    answer = http.post(REQUESTS, json={"subject": person}, headers=desk)
    return str(answer.json()["id"])


def test_a_persons_token_reads_that_persons_request(http: TestClient, desk: dict[str, str]) -> None:
    ada = submit(http, desk, "ada")

    given = http.post(f"{REQUESTS}/{ada}:token", json={"days": 30}, headers=desk)

    assert given.status_code == 201
    token = bearer(given.json()["token"])
    assert http.get(f"{REQUESTS}/{ada}", headers=token).json()["id"] == ada
    assert http.get(f"{REQUESTS}/{ada}/report", headers=token).status_code == 200
    assert http.get(f"{REQUESTS}/{ada}/receipt", headers=token).status_code == 409  # not signed yet


def test_a_persons_token_sees_nothing_else(
    app: FastAPI, http: TestClient, desk: dict[str, str]
) -> None:
    ada, ben = submit(http, desk, "ada"), submit(http, desk, "ben")
    text = http.post(f"{REQUESTS}/{ada}:token", headers=desk).json()["token"]

    for route in sorted(routes(app) - scopes.PUBLIC - scopes.UNGUARDED):
        method, path = route.split(" ")
        whose = ben if route in scopes.PERSONAL else ada
        answer = http.request(
            method,
            path.replace("{request_id}", whose).format_map(Placeholders()),
            content=b"?",
            headers=bearer(text),
        )

        assert answer.status_code == 403, (route, answer.text)
        assert answer.json()["code"] == "not_this_request"


def test_a_persons_token_takes_no_other_spelling_of_the_id(
    http: TestClient, desk: dict[str, str]
) -> None:
    ada, ben = submit(http, desk, "ada"), submit(http, desk, "ben")
    token = bearer(http.post(f"{REQUESTS}/{ada}:token", headers=desk).json()["token"])

    for path in (f"{ben}?request_id={ada}", f"{ada}%2F..%2F{ben}", f"%7B{ben}%7D", ben.upper()):
        assert http.get(f"{REQUESTS}/{path}", headers=token).status_code in (403, 404)


def test_a_persons_token_ends_and_can_be_revoked(
    http: TestClient, session: Session, desk: dict[str, str], clock: Clock
) -> None:
    ada = submit(http, desk, "ada")
    first, second = (
        http.post(f"{REQUESTS}/{ada}:token", json={"days": 1}, headers=desk).json()
        for _ in range(2)
    )
    admin = make_key(session, Scope.KEYS_ADMIN)

    assert http.delete(f"/v1/api-keys/{first['id']}", headers=admin).status_code == 204
    assert http.get(f"{REQUESTS}/{ada}", headers=bearer(first["token"])).status_code == 401
    assert http.get(f"{REQUESTS}/{ada}", headers=bearer(second["token"])).status_code == 200
    clock.now = NOW + timedelta(days=1)
    assert http.get(f"{REQUESTS}/{ada}", headers=bearer(second["token"])).status_code == 401


def test_there_is_no_token_for_a_request_that_does_not_exist(
    refused: Call, session: Session
) -> None:
    make_dataset(session)
    desk = make_key(session, Scope.REQUESTS_WRITE)
    nobody = "00000000-0000-4000-8000-000000000000"

    refused("POST", f"{REQUESTS}/{nobody}:token", 404, "unknown_request", headers=desk)
