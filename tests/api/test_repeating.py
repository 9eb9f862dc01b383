"""Idempotency-Key on what creates something else than deletion requests."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger.tables import IdempotencyKey
from tests.api.conftest import Call
from tests.api.keys import make_key
from tests.api.repeating import KEY, stated
from tests.factories import announce_worker, make_request, make_version

HOOK = {"url": "https://hooks.example.com/x", "events": ["job.failed"]}
DERIVED = {
    "name": "acme-ft",
    "location": "https://models.acme.example/ft",
    "how": "fine_tune",
    "contact": "privacy@acme.example",
}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "dataset": ("/v1/datasets", {"name": "one"}, {"name": "two"}),
    "model": (
        "/v1/models",
        {"name": "one", "recipe": "tiny", "dataset": "faces"},
        {"name": "two", "recipe": "tiny", "dataset": "faces"},
    ),
    "webhook": ("/v1/webhooks", HOOK, HOOK | {"signing": "ed25519"}),
    "derived version": (
        "/v1/models/faces/versions/1/derived",
        DERIVED,
        DERIVED | {"name": "acme-ft-2"},
    ),
    "consumer": (
        "/v1/models/faces/consumers",
        {"name": "app", "contact": "app@example.com"},
        {"name": "web", "contact": "web@example.com"},
    ),
}


@pytest.fixture(autouse=True)
def known(session: Session) -> None:
    make_version(session)
    announce_worker(session)


@pytest.mark.parametrize("what", CASES)
def test_a_repetition_creates_nothing_and_is_answered_the_same(
    http: TestClient, refused: Call, what: str
) -> None:
    path, body, other = CASES[what]

    first, second = (http.post(path, json=body, headers=KEY) for _ in range(2))

    assert first.status_code == 201, first.text
    assert (second.status_code, second.json()) == (201, first.json())
    refused("POST", path, 422, "idempotency_key_reused", json=other, headers=KEY)
    refused("POST", path, 400, "bad_idempotency_key", json=body, headers={"Idempotency-Key": "x"})


def test_a_webhooks_secrets_are_not_kept_with_their_keys(
    http: TestClient, session: Session
) -> None:
    made = http.post("/v1/webhooks", json=HOOK, headers=KEY).json()
    rotated = http.post(f"/v1/webhooks/{made['id']}:rotate", headers=KEY).json()

    kept = str([row.body for row in session.scalars(select(IdempotencyKey))])

    assert made["id"] in kept
    for secret in (made["secret"], rotated["secret"]):
        assert secret.startswith("whsec_")
        assert secret not in kept


@pytest.mark.parametrize("signing", ["hmac", "ed25519"])
def test_a_webhooks_key_is_changed_once_for_an_idempotency_key(
    http: TestClient, session: Session, refused: Call, signing: str
) -> None:
    made = http.post("/v1/webhooks", json=HOOK | {"signing": signing}, headers=KEY).json()
    path = f"/v1/webhooks/{made['id']}:rotate"
    first = http.post(path, headers=KEY)
    http.post(path)
    entries = stated(session)

    second = http.post(path, headers=KEY)

    assert (second.status_code, second.json()) == (200, first.json())
    assert stated(session) == entries
    assert (second.json()["secret"] is None) == (signing == "ed25519")
    other = {"overlap_seconds": 0}
    refused("POST", path, 422, "idempotency_key_reused", json=other, headers=KEY)


def test_a_webhook_that_was_removed_is_not_made_again_by_a_repetition(
    http: TestClient, get: Call
) -> None:
    first = http.post("/v1/webhooks", json=HOOK, headers=KEY)
    http.delete(f"/v1/webhooks/{first.json()['id']}")

    second = http.post("/v1/webhooks", json=HOOK, headers=KEY)

    assert (second.status_code, second.json()) == (201, first.json())
    assert get("/v1/webhooks") == []


def test_where_a_secret_is_kept_nowhere_the_key_is_refused(
    http: TestClient, session: Session, refused: Call
) -> None:
    request = make_request(session, "ada")
    key = http.post("/v1/api-keys", json={"name": "crm", "scopes": ["jobs:approve"]}).json()
    entries = stated(session)

    for path, body in {
        "/v1/api-keys": {"name": "crm", "scopes": ["jobs:approve"]},
        f"/v1/api-keys/{key['id']}:rotate": {},
        f"/v1/deletion-requests/{request.id}:token": {},
    }.items():
        refused("POST", path, 400, "idempotency_key_not_taken", json=body, headers=KEY)

    assert stated(session) == entries


def test_the_key_of_one_caller_is_nothing_to_another(http: TestClient, session: Session) -> None:
    one, other = make_key(session), make_key(session)
    path, body, theirs = CASES["dataset"]

    mine = http.post(path, json=body, headers=KEY | one)
    hers = http.post(path, json=theirs, headers=KEY | other)

    assert (mine.json()["name"], hers.json()["name"]) == ("one", "two")


def test_an_import_can_be_checked_first(http: TestClient, get: Call) -> None:
    lines = b'{"sample_id": "new-1", "subject": "eve"}\n'
    path = "/v1/datasets/faces/samples"
    kind = {"Content-Type": "application/x-ndjson"}

    checked = http.post(f"{path}?validate_only=true", content=lines, headers=kind)

    assert checked.json() == {"new": 1, "known": 0, "forgotten": 0, "size": 11}
    assert get("/v1/datasets/faces")["size"] == 10
    assert http.post(path, content=lines, headers=kind).json()["new"] == 1


def test_a_request_can_be_checked_first(http: TestClient, get: Call, refused: Call) -> None:
    path = "/v1/deletion-requests"

    checked = http.post(f"{path}?validate_only=true", json={"subject": "ada"})

    assert checked.status_code == 200
    assert (checked.json()["sample_count"], checked.json()["models"]) == (2, ["faces"])
    assert get(path)["items"] == []
    refused(
        "POST",
        f"{path}?validate_only=true",
        422,
        "unknown_samples",
        json={"dataset": "faces", "sample_ids": ["ghost"]},
    )
