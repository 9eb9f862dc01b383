from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.auth import Scope
from app.config import Settings
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from tests.api.conftest import Call, Clock
from tests.api.keys import bearer, make_key
from tests.factories import NOW

pytestmark = pytest.mark.usefixtures("keys_required")
KEYS = "/v1/api-keys"
ASKED: dict[str, Any] = {"name": "crm", "scopes": ["requests:write"]}


@pytest.fixture
def admin(session: Session) -> dict[str, str]:
    return make_key(session)


def entries(session: Session) -> dict[str, str]:
    """Of keys: each kind of entry and its payload."""
    rows = session.execute(
        select(LedgerEntry.kind, LedgerPayload.payload)
        .join(LedgerPayload)
        .where(LedgerEntry.machine == "api_key")
        .order_by(LedgerEntry.id)
    )
    return {row.kind: row.payload for row in rows}


def test_a_key_is_shown_once_and_works(
    http: TestClient, session: Session, admin: dict[str, str]
) -> None:
    made = http.post(KEYS, json=ASKED, headers=admin)
    listed = http.get(KEYS, headers=admin)

    assert made.status_code == 201
    key = made.json()["key"]
    assert key.startswith(made.json()["prefix"])
    assert key not in listed.text
    assert {row["name"] for row in listed.json()} == {"somebody", "crm"}
    person = {"subject": "nobody-we-know"}
    assert http.post("/v1/deletion-requests", json=person, headers=bearer(key)).status_code == 202
    assert http.get(KEYS, headers=bearer(key)).status_code == 403


def test_making_and_revoking_are_entries_without_the_secret(
    http: TestClient, session: Session, admin: dict[str, str]
) -> None:
    made = http.post(KEYS, json=ASKED, headers=admin).json()
    revoked = http.delete(f"{KEYS}/{made['id']}", headers=admin)

    assert revoked.status_code == 204
    assert http.get("/v1/models", headers=bearer(made["key"])).status_code == 401
    told = entries(session)
    assert told.keys() == {"api_key.created", "api_key.revoked"}
    secret = made["key"].removeprefix(made["prefix"])
    assert all(secret not in payload and "crm" not in payload for payload in told.values())
    assert made["prefix"] in told["api_key.created"]


def test_a_key_is_revoked_once(refused: Call, http: TestClient, admin: dict[str, str]) -> None:
    made = http.post(KEYS, json=ASKED, headers=admin).json()
    http.delete(f"{KEYS}/{made['id']}", headers=admin)

    refused("DELETE", f"{KEYS}/{made['id']}", 409, "api_key_ended", headers=admin)
    refused("POST", f"{KEYS}/{made['id']}:rotate", 409, "api_key_ended", headers=admin)
    refused("DELETE", f"{KEYS}/{uuid4()}", 404, "unknown_api_key", headers=admin)


def test_nobody_gives_away_what_they_do_not_have(
    refused: Call, http: TestClient, session: Session, admin: dict[str, str]
) -> None:
    admins = http.get(KEYS, headers=admin).json()[0]["id"]
    clerk = make_key(session, Scope.KEYS_ADMIN, Scope.REQUESTS_READ)

    problem = refused("POST", KEYS, 403, "missing_scope", json=ASKED, headers=clerk)

    assert "requests:write" in problem["detail"]
    refused("POST", f"{KEYS}/{admins}:rotate", 403, "missing_scope", headers=clerk)


def test_after_a_rotation_both_keys_work_for_a_while(
    http: TestClient, session: Session, admin: dict[str, str], clock: Clock
) -> None:
    old = http.post(KEYS, json=ASKED | {"expires_in_days": 30}, headers=admin).json()

    new = http.post(
        f"{KEYS}/{old['id']}:rotate", json={"overlap_seconds": 60}, headers=admin
    ).json()

    assert new["scopes"] == old["scopes"]
    assert new["expires_at"] == old["expires_at"]

    def status(key: str) -> int:
        person = {"subject": "nobody-we-know"}
        return http.post("/v1/deletion-requests", json=person, headers=bearer(key)).status_code

    assert (status(old["key"]), status(new["key"])) == (202, 202)
    clock.now = NOW + timedelta(seconds=60)
    assert (status(old["key"]), status(new["key"])) == (401, 202)


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": ["requests:read", "requests:read"]},
        {"name": ""},
        {"expires_in_days": 0},
    ],
)
def test_a_key_for_nothing_or_for_what_does_not_exist_is_refused(
    refused: Call, admin: dict[str, str], wrong: dict[str, Any]
) -> None:
    refused("POST", KEYS, 422, "malformed", json=ASKED | wrong, headers=admin)


def test_without_a_pepper_no_key_can_be_made_or_checked(
    http: TestClient,
    configured: Settings,
    refused: Call,
    admin: dict[str, str],
) -> None:
    http.app.state.settings = configured.model_copy(  # type: ignore[attr-defined]  # it is FastAPI
        update={"pepper": Settings(pepper="").pepper}
    )

    refused("GET", KEYS, 503, "no_pepper", headers=admin)
