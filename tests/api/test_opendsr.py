import json
from base64 import b64decode
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.api.opendsr_create import OpendsrCreate
from app.auth import Scope
from app.config import Settings
from app.ledger import holds, opendsr, requests, retention
from app.ledger.opendsr import STATUS_OF, Status
from app.ledger.opendsr_tables import OpendsrRequest
from app.ledger.reasons import HoldReason
from app.ledger.states import RequestState
from app.ledger.tables import DeletionRequest, IdempotencyKey
from app.ledger.webhook_tables import Signing, Webhook
from app.queue import CONSIDER_MODEL
from tests import certificates
from tests.api.conftest import Call, Clock, FakeQueue
from tests.api.keys import make_key
from tests.certificates import DOMAIN, is_signed
from tests.factories import NOW, PEPPER, key_of, make_version
from tests.naming import names

PATH = "/opendsr/v2/requests"
ID = "a7551968-d5d6-44b2-9831-815ac9017798"
CALLBACK = "https://controller.example.com/callbacks"
ADA = {"identity_type": "email", "identity_value": "ada", "identity_format": "raw"}


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    return Settings(
        data_dir=tmp_path,
        pepper=PEPPER,
        timezone="Europe/Berlin",
        rate_limit=0,
        opendsr_callbacks=CALLBACK,
        **certificates.write(tmp_path),
    )


def asked(**facts: Any) -> dict[str, Any]:
    """A request, as a controller sends it."""
    return {
        "regulation": "gdpr",
        "subject_request_id": ID,
        "subject_request_type": "erasure",
        "subject_identities": [ADA],
        "submitted_time": "2026-03-01T12:00:00Z",
    } | facts


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


def identity(**facts: Any) -> dict[str, Any]:
    return {"subject_identities": [ADA | facts]}


UNDER = f"/extensions/{DOMAIN}"
SEVERAL = [ADA, ADA | {"identity_type": "controller_customer_id"}]
BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown regulation": ({"regulation": "lgpd"}, "malformed", "/regulation"),
    "unknown type": ({"subject_request_type": "sale"}, "malformed", "/subject_request_type"),
    "access": (
        {"subject_request_type": "access"},
        "request_type_not_supported",
        "/subject_request_type",
    ),
    "portability": (
        {"subject_request_type": "portability"},
        "request_type_not_supported",
        "/subject_request_type",
    ),
    "nobody": ({"subject_identities": []}, "identity_not_supported", "/subject_identities"),
    "several": (
        {"subject_identities": SEVERAL},
        "identity_not_supported",
        "/subject_identities/1",
    ),
    "identities that are no list": (
        {"subject_identities": "ada"},
        "malformed",
        "/subject_identities",
    ),
    "another kind of identity": (
        identity(identity_type="android_id"),
        "identity_not_supported",
        "/subject_identities/0/identity_type",
    ),
    "a digest": (
        identity(identity_format="sha256"),
        "identity_not_supported",
        "/subject_identities/0/identity_format",
    ),
    "an unknown format": (
        identity(identity_format="rot13"),
        "malformed",
        "/subject_identities/0/identity_format",
    ),
    "an empty identity": (
        identity(identity_value=""),
        "malformed",
        "/subject_identities/0/identity_value",
    ),
    "a blank identity": (
        identity(identity_value="  "),
        "malformed",
        "/subject_identities/0/identity_value",
    ),
    "a long identity": (
        identity(identity_value="x" * 513),
        "malformed",
        "/subject_identities/0/identity_value",
    ),
    "many identities": ({"subject_identities": [ADA] * 101}, "malformed", "/subject_identities"),
    "an id in upper case": (
        {"subject_request_id": ID.upper()},
        "malformed",
        "/subject_request_id",
    ),
    "an id of another version": (
        {"subject_request_id": "a7551968-d5d6-14b2-9831-815ac9017798"},
        "malformed",
        "/subject_request_id",
    ),
    "no time zone": ({"submitted_time": "2026-03-01T12:00:00"}, "malformed", "/submitted_time"),
    "the future": ({"submitted_time": "2027-03-01T12:00:00Z"}, "malformed", "/submitted_time"),
    "the last century": (
        {"submitted_time": "1999-03-01T12:00:00Z"},
        "malformed",
        "/submitted_time",
    ),
    "version 1": ({"api_version": "1.0"}, "malformed", "/api_version"),
    "what the protocol does not have": ({"verify_first": False}, "malformed", "/verify_first"),
    "a callback that is not listed": (
        {"status_callback_urls": ["https://elsewhere.example.com/"]},
        "url_not_allowed",
        "/status_callback_urls/0",
    ),
    "many callbacks": (
        {"status_callback_urls": [CALLBACK] * 11},
        "malformed",
        "/status_callback_urls",
    ),
    "an extension of another form": (
        {"extensions": {DOMAIN: {"dataset": "faces"}}},
        "malformed",
        f"{UNDER}/sample_ids",
    ),
    "an extension that asks for more": (
        {"extensions": {DOMAIN: {"dataset": "x", "sample_ids": ["a"], "verify_first": False}}},
        "malformed",
        f"{UNDER}/verify_first",
    ),
    "an extension that is no object": ({"extensions": {DOMAIN: 1}}, "malformed", UNDER),
    "unknown samples": (
        {"extensions": {DOMAIN: {"dataset": "faces", "sample_ids": ["none"]}}},
        "unknown_samples",
        f"{UNDER}/sample_ids/0",
    ),
    "somebody else's samples": (
        {"extensions": {DOMAIN: {"dataset": "faces", "sample_ids": ["ben-0"]}}},
        "foreign_samples",
        f"{UNDER}/sample_ids/0",
    ),
}


def test_what_is_not_taken_is_refused_in_both_forms(session: Session, refused: Call) -> None:
    make_version(session)

    for which, (facts, code, pointer) in BAD.items():
        problem = refused("POST", PATH, 400, code, json=asked(**facts))

        assert pointer in [fault["pointer"] for fault in problem["errors"]], which
        assert problem["error"]["code"] == 400, which
        assert problem["error"]["message"] == problem["detail"], which
        assert problem["error"]["errors"][0]["domain"] == code, which
        assert not names(json.dumps(problem["error"]), "ada"), which
    assert session.scalars(select(DeletionRequest)).all() == []


@pytest.mark.parametrize("field", ["regulation", "subject_request_id", "submitted_time"])
def test_what_is_required_has_to_be_there(field: str, refused: Call) -> None:
    body = asked()
    del body[field]

    problem = refused("POST", PATH, 400, "malformed", json=body)

    assert problem["errors"][0]["pointer"] == f"/{field}"
    assert problem["error"]["errors"][0]["reason"] == "missing"


def test_what_is_too_large_is_refused(configured: Settings, refused: Call) -> None:
    body = b" " * (configured.max_body_bytes + 1)

    problem = refused("POST", PATH, 413, "body_too_large", content=body)

    assert problem["error"]["code"] == 413


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


def test_the_example_in_the_description_is_one_that_is_taken() -> None:
    (example,) = OpendsrCreate.model_json_schema()["examples"]

    taken = OpendsrCreate.model_validate(example)

    assert (taken.subject_request_type, taken.regulation) == ("erasure", "gdpr")
