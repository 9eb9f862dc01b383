"""Requests under the CCPA over HTTP: their dates, their one extension, and what is told of them."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.config import Settings
from app.law import Law
from app.ledger import clocks, intake, requests
from app.ledger.tables import ModelVersion
from tests.api.conftest import Call, Clock
from tests.api.test_receipts import verified
from tests.factories import DAY, NOW, PEPPER, make_version
from tests.ledger.signing import sequence

PATH = "/v1/deletion-requests"
LONGER = {"reason": "number_of_requests", "notice": "letter 7"}
KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    """An installation whose days are California's."""
    return Settings(data_dir=tmp_path, pepper=PEPPER, timezone="America/Los_Angeles")


@pytest.fixture(autouse=True)
def live(session: Session) -> ModelVersion:
    return make_version(session)


@pytest.fixture
def clock() -> Clock:
    """Noon of the Saturday before clocks go forward, in Los Angeles."""
    return Clock(datetime.fromisoformat("2026-03-07T12:00:00-08:00"))


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def submit(post: Call, **body: Any) -> Any:
    return post(PATH, subject="ada", **body)


def test_a_request_is_under_the_gdpr_unless_it_says_otherwise(post: Call) -> None:
    made = submit(post)

    assert (made["law"], made["confirm_by"]) == ("gdpr", None)
    assert moment(made["due_at"]) == moment("2026-04-07T23:59:59-07:00")


def test_a_request_under_the_ccpa_has_its_dates(session: Session, post: Call, get: Call) -> None:
    made = submit(post, law="ccpa")

    told = get(f"{PATH}/{made['id']}")
    assert told["law"] == made["law"] == "ccpa"
    assert moment(told["confirm_by"]) == moment("2026-03-20T23:59:59-07:00")
    assert moment(told["due_at"]) == moment("2026-04-21T23:59:59-07:00")
    (erasure,) = requests.get(session, UUID(made["id"])).erasures
    assert erasure.due_at == moment(told["due_at"])


def test_its_extension_ends_ninety_days_after_receipt_and_is_the_only_one(
    post: Call, refused: Call
) -> None:
    made = submit(post, law="ccpa")

    longer = post(f"{PATH}/{made['id']}:extend", **LONGER)

    assert moment(longer["due_at"]) == moment("2026-06-05T23:59:59-07:00")
    assert moment(longer["extension"]["due_before"]) == moment(made["due_at"])
    assert moment(longer["confirm_by"]) == moment(made["confirm_by"])
    refused("POST", f"{PATH}/{made['id']}:extend", 409, "already_extended", json=LONGER)


def test_it_can_be_extended_for_45_days_which_is_longer_than_a_month(
    post: Call, refused: Call, clock: Clock
) -> None:
    europe, california = submit(post), submit(post, law="ccpa")
    clock.now = moment(california["due_at"])

    refused("POST", f"{PATH}/{europe['id']}:extend", 409, "first_period_over", json=LONGER)
    post(f"{PATH}/{california['id']}:extend", **LONGER)

    late = submit(post, law="ccpa", received_at=(clock.now - 46 * DAY).isoformat())
    refused("POST", f"{PATH}/{late['id']}:extend", 409, "first_period_over", json=LONGER)


def test_it_comes_near_and_passes_by_its_own_date(session: Session, post: Call, get: Call) -> None:
    europe, california = submit(post), submit(post, law="ccpa")

    clocks.escalate(session, now=moment(europe["due_at"]) + timedelta(seconds=1))

    told = [get(f"{PATH}/{made['id']}") for made in (europe, california)]
    assert [(each["at_risk"], each["overdue"]) for each in told] == [(True, True), (False, False)]


@pytest.mark.parametrize("law", ["dsgvo", "GDPR", "", None, 7])
def test_a_law_that_is_not_known_is_refused(refused: Call, law: object) -> None:
    problem = refused("POST", PATH, 422, "malformed", json={"subject": "ada", "law": law})

    assert [(fault["pointer"], fault["code"]) for fault in problem["errors"]] == [("/law", "enum")]


def test_the_law_is_part_of_what_an_idempotency_key_stands_for(http: TestClient) -> None:
    body = {"subject": "ada"}
    first = http.post(PATH, json=body | {"law": "ccpa"}, headers=KEY)

    again = http.post(PATH, json=body | {"law": "ccpa"}, headers=KEY)
    other = http.post(PATH, json=body, headers=KEY)

    assert again.json() == first.json()
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_its_receipt_names_the_law_and_its_dates(
    session: Session, post: Call, http: TestClient
) -> None:
    made = submit(post, law="ccpa")
    sequence(session)

    content = http.get(f"{PATH}/{made['id']}/receipt").content

    said = verified(content).statement.predicate
    assert said["law"] == Law.CCPA
    assert moment(said["confirm_by"]) == moment(made["confirm_by"])
    assert moment(said["due_at"]) == moment(made["due_at"])


def test_what_was_decided_before_there_was_a_choice_is_under_the_gdpr(session: Session) -> None:
    request, _ = intake.submit(
        session, requests.Submission({}, None, NOW, due_at=NOW + 30 * DAY), now=NOW
    )

    assert (request.law, request.confirm_by) == (Law.GDPR, None)
