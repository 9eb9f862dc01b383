import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.config import Settings
from app.ledger.tables import DeletionRequest
from tests.api.conftest import Call
from tests.api.controller import ADA, CALLBACK, ID, PATH, asked, spoken
from tests.certificates import DOMAIN
from tests.factories import make_version
from tests.naming import names


@pytest.fixture
def configured(configured: Settings, tmp_path: Path) -> Settings:
    return spoken(configured, tmp_path)


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
