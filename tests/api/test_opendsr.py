import json
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.auth import Scope
from app.config import Settings
from app.ledger import holds, identifications, opendsr, requests, retention
from app.ledger.opendsr import STATUS_OF, Status
from app.ledger.opendsr_tables import OpendsrRequest
from app.ledger.reasons import HoldReason
from app.ledger.states import RequestState
from app.ledger.tables import DeletionRequest, IdempotencyKey
from app.ledger.webhook_tables import Signing, Webhook
from app.queue import CONSIDER_MODEL
from tests.api.conftest import Call, Clock, FakeQueue
from tests.api.controller import ADA, CALLBACK, ID, PATH, asked, spoken
from tests.api.keys import make_key
from tests.certificates import DOMAIN, is_signed
from tests.factories import DAY, NOW, key_of, make_version
from tests.naming import names


@pytest.fixture
def configured(configured: Settings, tmp_path: Path) -> Settings:
    return spoken(configured, tmp_path)


def only(session: Session) -> DeletionRequest:
    (found,) = session.scalars(select(DeletionRequest)).all()
    return found


def test_discovery_says_what_is_spoken_and_where_the_certificate_lies(
    http: TestClient, get: Call
) -> None:
    told = get("/opendsr/v2/discovery")

    assert told["api_version"] == "2.0"
    assert told["supported_subject_request_types"] == ["erasure"]
    assert told["supported_identities"] == [
        {"identity_type": "controller_customer_id", "identity_format": "raw"},
        {"identity_type": "email", "identity_format": "raw"},
    ]
    place = told["processor_certificate"].removeprefix(f"https://{DOMAIN}")
    assert b"BEGIN CERTIFICATE" in http.get(place).content


def test_a_request_becomes_a_deletion_request_like_any_other(
    http: TestClient, session: Session, queue: FakeQueue
) -> None:
    version = make_version(session)

    answer = http.post(PATH, json=asked())

    request = only(session)
    assert answer.status_code == 201
    assert answer.json() | {"encoded_request": None} == {
        "controller_id": "local",
        "expected_completion_time": "2026-04-01T21:59:59Z",
        "received_time": "2026-03-02T12:00:00Z",
        "subject_request_id": ID,
        "encoded_request": None,
    }
    assert (request.state, request.subject_key) == (RequestState.ACCEPTED, key_of("ada"))
    assert (request.law, request.manner, request.external_id) == ("gdpr", "api", ID)
    assert request.received_at == NOW - timedelta(days=1)
    assert queue.rung == [(CONSIDER_MODEL, version.model_id)]


@pytest.mark.parametrize("regulation", ["gdpr", "ccpa"])
def test_the_regulation_is_the_law(regulation: str, http: TestClient, session: Session) -> None:
    http.post(PATH, json=asked(regulation=regulation))

    assert only(session).law == regulation


def test_what_is_answered_is_signed_and_holds_the_request_as_it_was_sent(
    http: TestClient, session: Session
) -> None:
    make_version(session)
    raw = json.dumps(asked(), indent=3).encode()
    certificate = http.get("/opendsr/v2/certificate").content

    answers = [
        http.get("/opendsr/v2/discovery"),
        http.post(PATH, content=raw, headers={"Content-Type": "application/json"}),
        http.get(f"{PATH}/{ID}"),
        http.delete(f"{PATH}/{ID}"),
    ]

    assert [answer.status_code for answer in answers] == [200, 201, 200, 202]
    assert b64decode(answers[1].json()["encoded_request"]) == raw
    for answer in answers:
        assert answer.headers["X-OpenDSR-Processor-Domain"] == DOMAIN
        assert is_signed(certificate, answer.content, answer.headers)


def test_samples_may_be_named_in_the_extension(http: TestClient, session: Session) -> None:
    make_version(session)
    said = {DOMAIN: {"dataset": "faces", "sample_ids": ["ada-0"]}, "other.example": {"x": [1]}}

    answer = http.post(PATH, json=asked(subject_identities=[], extensions=said))

    assert answer.status_code == 201
    assert (only(session).sample_count, only(session).subject_key) == (1, None)


@pytest.mark.parametrize("state", RequestState)
def test_every_state_of_ours_has_a_status(state: RequestState) -> None:
    kept = OpendsrRequest(subject_request_id=UUID(ID), controller_id="local", domain=DOMAIN)

    told = opendsr.status(kept, DeletionRequest(due_at=NOW), state)

    assert told["request_status"] in set(Status)
    assert ("extensions" in told) == (told["request_status"] in ("completed", "cancelled"))


def test_states_are_told_as_agreed() -> None:
    by_status = {
        status: {state for state, its in STATUS_OF.items() if its is status} for status in Status
    }

    assert by_status == {
        "pending": {"received", "verifying", "accepted", "on_hold"},
        "in_progress": {"in_progress"},
        "completed": {"completed", "completed_no_data"},
        "cancelled": {"denied", "cancelled"},
    }


@pytest.mark.parametrize("path", [PATH, "/opendsr/v2/status", "/opendsr/v2/opengdpr_requests"])
def test_a_status_is_read_at_each_of_its_paths(
    path: str, http: TestClient, session: Session, get: Call
) -> None:
    make_version(session)
    http.post("/opendsr/v2/opengdpr_requests", json=asked())

    told = get(f"{path}/{ID}")

    assert told == {
        "controller_id": "local",
        "expected_completion_time": "2026-04-01T21:59:59Z",
        "subject_request_id": ID,
        "request_status": "pending",
        "api_version": "2.0",
    }


def test_an_end_is_told_with_its_outcome(
    http: TestClient, session: Session, get: Call, post: Call
) -> None:
    make_version(session)
    http.post(PATH, json=asked())
    request = only(session)

    post(f"/v1/deletion-requests/{request.id}:deny", reasons=["no_match"], notice="letter 1")

    told = get(f"{PATH}/{ID}")
    assert told["request_status"] == "cancelled"
    assert told["extensions"] == {DOMAIN: {"outcome": "denied"}}


def test_a_pending_request_can_be_taken_back(http: TestClient, session: Session, get: Call) -> None:
    make_version(session)
    http.post(PATH, json=asked())

    answer = http.delete(f"{PATH}/{ID}")

    assert answer.json() == {
        "controller_id": "local",
        "subject_request_id": ID,
        "received_time": "2026-03-02T12:00:00Z",
        "api_version": "2.0",
    }
    assert get(f"{PATH}/{ID}")["extensions"] == {DOMAIN: {"outcome": "cancelled"}}


def test_one_that_is_carried_out_or_over_is_not_taken_back(
    http: TestClient, session: Session, refused: Call
) -> None:
    make_version(session)
    http.post(PATH, json=asked())
    http.delete(f"{PATH}/{ID}")

    problem = refused("DELETE", f"{PATH}/{ID}", 409, "illegal_transition")

    assert problem["error"]["code"] == 409


def test_one_that_was_put_aside_is_pending(http: TestClient, session: Session, get: Call) -> None:
    make_version(session)
    http.post(PATH, json=asked())

    holds.hold(session, only(session).id, reason=HoldReason.LEGAL_CLAIMS, now=NOW)
    session.commit()

    assert get(f"{PATH}/{ID}")["request_status"] == "pending"


def test_the_same_request_is_taken_once(http: TestClient, session: Session, clock: Clock) -> None:
    make_version(session)

    first = http.post(PATH, json=asked())
    clock.pass_by(60)
    again = http.post(PATH, json=asked())

    assert again.json() == first.json()
    assert only(session).state is RequestState.ACCEPTED


def test_another_request_under_the_same_id_is_refused(
    http: TestClient, session: Session, refused: Call
) -> None:
    make_version(session)
    http.post(PATH, json=asked())
    ben = asked(subject_identities=[ADA | {"identity_value": "ben"}])

    refused("POST", PATH, 400, "idempotency_key_reused", json=ben)
    other_key = {"Idempotency-Key": str(uuid4())}
    problem = refused("POST", PATH, 409, "name_taken", json=ben, headers=other_key)

    assert problem["errors"][0]["pointer"] == "/subject_request_id"


def test_what_is_kept_names_nobody(http: TestClient, session: Session) -> None:
    make_version(session)
    http.post(PATH, json=asked(subject_identities=[ADA | {"identity_value": "zoe"}]))

    kept = session.scalars(select(IdempotencyKey)).one()

    assert "encoded_request" not in kept.body
    assert not names(json.dumps(kept.body), "zoe")


def test_callbacks_are_webhooks_that_are_made_once(http: TestClient, session: Session) -> None:
    make_version(session)

    for _ in range(2):
        body = asked(subject_request_id=str(uuid4()), status_callback_urls=[CALLBACK, CALLBACK])
        assert http.post(PATH, json=body).status_code == 201

    webhook = session.scalars(select(Webhook)).one()
    assert (webhook.url, webhook.signing) == (CALLBACK, Signing.OPENDSR)


def test_the_webhook_of_a_callback_has_no_secret_and_no_key_of_its_own(
    http: TestClient, session: Session, get: Call, refused: Call
) -> None:
    http.post(PATH, json=asked(status_callback_urls=[CALLBACK]))

    (shown,) = get("/v1/webhooks")

    assert (shown["signing"], shown["public_keys"]) == ("opendsr", [])
    refused("POST", f"/v1/webhooks/{shown['id']}:rotate", 409, "illegal_transition")


def test_nobody_makes_such_a_webhook_but_by_a_request(refused: Call) -> None:
    told = {"url": CALLBACK, "events": ["job.failed"], "signing": "opendsr"}

    refused("POST", "/v1/webhooks", 422, "malformed", json=told)


def test_an_unknown_id_is_not_found(refused: Call) -> None:
    for method, path in (("GET", PATH), ("DELETE", PATH), ("GET", "/opendsr/v2/status")):
        problem = refused(method, f"{path}/{ID}", 404, "unknown_request")

        assert problem["error"]["errors"][0]["domain"] == "unknown_request"


def test_a_request_that_came_in_otherwise_is_not_found(
    post: Call, session: Session, refused: Call
) -> None:
    make_version(session)
    post("/v1/deletion-requests", subject="ada", external_id=ID)

    refused("GET", f"{PATH}/{ID}", 404, "unknown_request")
    refused("POST", PATH, 409, "name_taken", json=asked())


def test_where_requests_are_verified_first_these_are_too(
    app: FastAPI, configured: Settings, http: TestClient, session: Session, get: Call
) -> None:
    app.state.settings = configured.model_copy(update={"verify_first": True})
    make_version(session)

    http.post(PATH, json=asked())

    assert only(session).state is RequestState.VERIFYING
    assert requests.get(session, only(session).id).erasures == []
    assert get(f"{PATH}/{ID}")["request_status"] == "pending"


def test_one_that_nobody_verified_in_time_is_cancelled_and_its_id_is_spent(
    http: TestClient,
    app: FastAPI,
    configured: Settings,
    session: Session,
    get: Call,
    refused: Call,
) -> None:
    app.state.settings = configured.model_copy(update={"verify_first": True})
    http.post(PATH, json=asked())
    assert identifications.lapse(session, only(session).id, now=NOW + 31 * DAY)
    session.commit()

    assert get(f"{PATH}/{ID}")["request_status"] == "cancelled"
    another = {"Idempotency-Key": str(uuid4())}
    refused("POST", PATH, 409, "name_taken", json=asked(), headers=another)


@pytest.mark.usefixtures("keys_required")
def test_writing_and_reading_need_the_scopes_that_they_need_elsewhere(
    http: TestClient, session: Session, refused: Call
) -> None:
    reader, writer = (
        make_key(session, scope) for scope in (Scope.REQUESTS_READ, Scope.REQUESTS_WRITE)
    )

    refused("POST", PATH, 403, "missing_scope", json=asked(), headers=reader)
    answer = http.post(PATH, json=asked(), headers=writer)

    assert answer.status_code == 201
    UUID(answer.json()["controller_id"])
    refused("GET", f"{PATH}/{ID}", 403, "missing_scope", headers=writer)
    refused("DELETE", f"{PATH}/{ID}", 403, "missing_scope", headers=reader)


def test_the_days_requests_are_counted_with_the_others(
    app: FastAPI, configured: Settings, post: Call, refused: Call
) -> None:
    app.state.settings = configured.model_copy(update={"requests_per_day": 1})
    post("/v1/deletion-requests", subject="ben")

    refused("POST", PATH, 429, "quota_spent", json=asked())


def test_a_shredded_request_is_not_known_by_the_controllers_id_any_more(
    http: TestClient, session: Session, refused: Call
) -> None:
    http.post(PATH, json=asked(status_callback_urls=[CALLBACK]))
    assert retention.shred(session, only(session).id, now=NOW)
    session.commit()

    refused("GET", f"{PATH}/{ID}", 404, "unknown_request")
    assert session.scalars(select(OpendsrRequest)).all() == []
