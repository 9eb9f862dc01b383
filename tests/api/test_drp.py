from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from app.api.drp import STANDING_OF, Status
from app.auth import Scope
from app.config import Settings
from app.ledger import identifications, retention
from app.ledger.reasons import DenialReason
from app.ledger.states import RequestState
from tests.api.conftest import Call, Clock
from tests.api.keys import make_key
from tests.factories import DAY, make_version

PATH = "/drp/v1/data-rights-request"
REQUESTS = "/v1/deletion-requests"


@pytest.fixture
def configured(configured: Settings) -> Settings:
    return configured.model_copy(update={"drp": True})


@pytest.fixture
def asked(session: Session, post: Call) -> Any:
    """A request that waits for a job."""
    make_version(session)
    return post(REQUESTS, subject="ada", external_id="T-1")


def test_every_state_of_ours_has_a_standing() -> None:
    by_status = {
        status: {state for state, its in STANDING_OF.items() if its.status is status}
        for status in Status
    }

    assert STANDING_OF.keys() == set(RequestState)
    assert by_status == {
        "open": {"received"},
        "in_progress": {"verifying", "accepted", "in_progress", "on_hold"},
        "fulfilled": {"completed", "completed_no_data"},
        "revoked": {"cancelled"},
        "denied": {"denied"},
        "expired": set(),  # of signed requests, which are not read
    }


def test_a_request_is_told_in_the_protocols_words(asked: Any, get: Call) -> None:
    told = get(f"{PATH}/{asked['id']}")

    assert told == {
        "request_id": asked["id"],
        "agent_request_id": "T-1",
        "status": "in_progress",
        "reason": None,
        "processing_details": "it waits for a job",
        "received_at": asked["received_at"],
        "expected_by": "2026-04-02T21:59:59Z",
        "expires_at": None,
        "results_url": None,
    }


@pytest.mark.parametrize("reason", DenialReason)
def test_a_denial_has_the_reason_that_was_given(
    reason: DenialReason, asked: Any, get: Call, post: Call
) -> None:
    post(f"{REQUESTS}/{asked['id']}:deny", reasons=[reason], notice="letter 1")

    told = get(f"{PATH}/{asked['id']}")

    assert (told["status"], told["reason"]) == ("denied", reason)


def test_of_several_reasons_the_first_is_told_and_all_are_in_the_details(
    asked: Any, get: Call, post: Call
) -> None:
    post(f"{REQUESTS}/{asked['id']}:deny", reasons=["no_match", "other"], notice="letter 1")

    told = get(f"{PATH}/{asked['id']}")

    assert told["reason"] == "no_match"
    assert told["processing_details"] == (
        "no data matched who asked; the notice to the person says why"
    )


def test_of_a_shredded_denial_no_reason_is_left(
    asked: Any, session: Session, get: Call, post: Call, clock: Clock
) -> None:
    post(f"{REQUESTS}/{asked['id']}:deny", reasons=["no_match"], notice="letter 1")
    session.expire_all()
    assert retention.shred(session, asked["id"], now=clock.now)
    session.commit()

    told = get(f"{PATH}/{asked['id']}")

    assert (told["status"], told["reason"], told["agent_request_id"]) == ("denied", "other", None)


def test_one_that_was_taken_back_is_revoked(asked: Any, get: Call, post: Call) -> None:
    post(f"{REQUESTS}/{asked['id']}:cancel", reason="changed their mind")

    told = get(f"{PATH}/{asked['id']}")

    assert (told["status"], told["reason"]) == ("revoked", None)


def test_one_that_waits_for_verification_says_so_and_until_when(
    session: Session, get: Call, post: Call, clock: Clock
) -> None:
    asked = post(REQUESTS, subject="ada", verify_first=True)

    told = get(f"{PATH}/{asked['id']}")

    assert (told["status"], told["reason"]) == ("in_progress", "need_user_verification")
    assert told["expires_at"] == (clock.now + 30 * DAY).isoformat().replace("+00:00", "Z")


def test_one_that_was_not_verified_in_time_is_denied_for_that(
    session: Session, get: Call, post: Call, clock: Clock
) -> None:
    asked = post(REQUESTS, subject="ada", verify_first=True)
    clock.pass_by(timedelta(days=31).total_seconds())
    assert identifications.lapse(session, asked["id"], now=clock.now)
    session.commit()

    told = get(f"{PATH}/{asked['id']}")

    assert (told["status"], told["reason"]) == ("denied", "insuf_verification")
    assert told["processing_details"] == "not verified in time"


def test_a_request_without_data_is_fulfilled_and_says_why(
    session: Session, get: Call, post: Call
) -> None:
    asked = post(REQUESTS, subject="nobody")

    told = get(f"{PATH}/{asked['id']}")

    assert told["status"] == "fulfilled"
    assert told["processing_details"].startswith("no model in use had been trained")
    assert told["results_url"] == f"{REQUESTS}/{asked['id']}/report"
    assert get(told["results_url"])


def test_a_later_date_comes_with_its_reason(asked: Any, get: Call, post: Call) -> None:
    before = get(f"{PATH}/{asked['id']}")

    post(f"{REQUESTS}/{asked['id']}:extend", reason="number_of_requests", notice="letter 1")

    told = get(f"{PATH}/{asked['id']}")
    assert told["expected_by"] > before["expected_by"]
    assert told["processing_details"] == ("it waits for a job; extended by law: number of requests")


def test_one_that_is_not_there_is_not_found(refused: Call) -> None:
    nowhere = f"{PATH}/00000000-0000-4000-8000-000000000000"

    refused("GET", nowhere, 404, "unknown_request")
    refused("GET", f"{PATH}/1", 422, "malformed")


@pytest.mark.usefixtures("keys_required")
def test_reading_needs_the_scope_that_it_needs_elsewhere(session: Session, refused: Call) -> None:
    writer = make_key(session, Scope.REQUESTS_WRITE)

    nowhere = f"{PATH}/00000000-0000-4000-8000-000000000000"
    refused("GET", nowhere, 403, "missing_scope", headers=writer)


def test_faces_that_are_not_switched_on_are_not_there(
    app: FastAPI, configured: Settings, refused: Call
) -> None:
    app.state.settings = configured.model_copy(update={"drp": False})
    one = "00000000-0000-4000-8000-000000000000"
    paths = {
        *(("GET", f"/opendsr/v2/{name}") for name in ("discovery", "certificate")),
        *(("POST", f"/opendsr/v2/{name}") for name in ("requests", "opengdpr_requests")),
        *(("GET", f"/opendsr/v2/{name}/{one}") for name in ("requests", "status")),
        *(("DELETE", f"/opendsr/v2/{name}/{one}") for name in ("requests", "opengdpr_requests")),
        ("GET", f"{PATH}/{one}"),
    }

    for method, path in paths:
        refused(method, path, 404, "face_not_configured")
