"""Downstream consumers: registered, held to a word about each withdrawal, removed."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app.ledger import batching, consumers, model_lines
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.tables import ModelVersion
from tests.api.conftest import Call, Clock
from tests.api.repeating import KEY
from tests.factories import NOW, make_request, make_version, run_through

PATH = "/v1/models/faces/consumers"
ACKNOWLEDGEMENTS = "/v1/models/faces/versions/1/acknowledgements"
PRICING = {"name": "pricing", "contact": "pricing@example.com"}
WORD = {"consumer": "pricing", "done": "moved to version 2"}
LONG = 8 * 24 * 3600.0


@pytest.fixture(autouse=True)
def version(session: Session) -> ModelVersion:
    return make_version(session)


def withdraw(session: Session, version: ModelVersion) -> ModelVersion:
    """Have the model forget somebody; returns the version that took this one's place."""
    make_request(session, "ada")
    job = batching.batch(session, version.model_id, now=NOW, flush=True)
    assert job is not None
    successor = run_through(session, job)
    session.flush()
    return successor


def stated(session: Session) -> list[tuple[str, dict[str, Any]]]:
    """The ledger's entries on consumers."""
    rows = session.execute(
        select(LedgerEntry.kind, LedgerPayload.payload)
        .join(LedgerPayload)
        .where(LedgerEntry.machine == "consumer")
        .order_by(LedgerEntry.id)
    )
    return [(kind, json.loads(payload)) for kind, payload in rows]


def test_a_consumer_is_registered_listed_and_removed(
    session: Session, post: Call, get: Call, http: TestClient
) -> None:
    made = post(PATH, **PRICING)

    assert made == {
        **PRICING,
        "webhook": None,
        "registered_at": "2026-03-02T12:00:00Z",
        "owes": [],
    }
    assert get(PATH) == [made]
    assert http.delete(f"{PATH}/pricing").status_code == 204
    assert get(PATH) == []
    assert [kind for kind, _ in stated(session)] == ["consumer.registered", "consumer.removed"]
    assert "pricing@example.com" not in str(stated(session))


def test_a_name_is_taken_once_and_free_again_after_removal(
    post: Call, refused: Call, http: TestClient
) -> None:
    post(PATH, **PRICING)
    refused("POST", PATH, 409, "name_taken", json=PRICING)

    http.delete(f"{PATH}/pricing")

    post(PATH, **PRICING)


def test_what_does_not_exist_is_refused(refused: Call) -> None:
    refused("POST", PATH, 404, "unknown_webhook", json=PRICING | {"webhook": str(uuid4())})
    refused("POST", "/v1/models/birds/consumers", 404, "unknown_model", json=PRICING)
    refused("GET", "/v1/models/birds/consumers", 404, "unknown_model")
    refused("DELETE", f"{PATH}/pricing", 404, "unknown_consumer")
    refused("POST", ACKNOWLEDGEMENTS, 404, "unknown_consumer", json=WORD)
    nine = ACKNOWLEDGEMENTS.replace("1", "9").replace("v9", "v1", 1)
    refused("POST", nine, 404, "unknown_version", json=WORD)
    refused("GET", nine, 404, "unknown_version")


def test_a_withdrawal_makes_every_consumer_owe_a_word(
    session: Session, version: ModelVersion, post: Call, get: Call
) -> None:
    post(PATH, **PRICING)
    post(PATH, name="search", contact="-")
    assert get(ACKNOWLEDGEMENTS) == []

    withdraw(session, version)

    owed = get(ACKNOWLEDGEMENTS)
    assert [each["consumer"] for each in owed] == ["pricing", "search"]
    assert owed[0] == {
        "consumer": "pricing",
        "owed_since": "2026-03-02T12:00:00Z",
        "notified_at": None,
        "acknowledged_at": None,
        "done": None,
        "overdue": False,
        "removed_at": None,
    }
    assert get(PATH)[0]["owes"] == [
        {"version": 1, "since": "2026-03-02T12:00:00Z", "overdue": False}
    ]


def test_the_word_is_kept_and_stands_in_the_ledger(
    session: Session, version: ModelVersion, post: Call, get: Call, clock: Clock
) -> None:
    post(PATH, **PRICING)
    withdraw(session, version)
    clock.pass_by(60)

    told = post(ACKNOWLEDGEMENTS, **WORD)

    assert (told["acknowledged_at"], told["done"]) == ("2026-03-02T12:01:00Z", WORD["done"])
    assert get(ACKNOWLEDGEMENTS) == [told]
    assert get(PATH)[0]["owes"] == []
    kind, payload = stated(session)[-1]
    assert kind == "consumer.acknowledged"
    assert (payload["name"], payload["version"], payload["done"]) == ("pricing", 1, WORD["done"])


def test_a_word_that_is_repeated_changes_nothing(
    session: Session, version: ModelVersion, post: Call, clock: Clock
) -> None:
    post(PATH, **PRICING)
    withdraw(session, version)
    first = post(ACKNOWLEDGEMENTS, **WORD)
    clock.pass_by(60)

    assert post(ACKNOWLEDGEMENTS, **WORD | {"done": "something else"}) == first

    assert len(stated(session)) == 2


def test_a_version_in_use_and_one_withdrawn_before_the_registration_need_no_word(
    session: Session, version: ModelVersion, post: Call, get: Call, refused: Call
) -> None:
    post(PATH, name="search", contact="-")
    refused(
        "POST", ACKNOWLEDGEMENTS, 409, "nothing_to_acknowledge", json=WORD | {"consumer": "search"}
    )
    withdraw(session, version)
    post(PATH, **PRICING)

    refused("POST", ACKNOWLEDGEMENTS, 409, "nothing_to_acknowledge", json=WORD)
    assert [each["consumer"] for each in get(ACKNOWLEDGEMENTS)] == ["search"]


def test_who_stays_silent_for_long_is_overdue(
    session: Session, version: ModelVersion, post: Call, get: Call, clock: Clock
) -> None:
    post(PATH, **PRICING)
    post(PATH, name="search", contact="-")
    withdraw(session, version)
    post(ACKNOWLEDGEMENTS, **WORD)

    clock.pass_by(LONG)

    assert {each["consumer"]: each["overdue"] for each in get(ACKNOWLEDGEMENTS)} == {
        "pricing": False,
        "search": True,
    }
    assert [each["overdue"] for each in get(PATH)[1]["owes"]] == [True]


def test_of_a_consumer_that_was_removed_nothing_is_expected_but_its_silence_stays_on_the_record(
    session: Session,
    version: ModelVersion,
    post: Call,
    get: Call,
    http: TestClient,
    clock: Clock,
    refused: Call,
) -> None:
    post(PATH, **PRICING)
    withdraw(session, version)
    http.delete(f"{PATH}/pricing")
    clock.pass_by(LONG)

    (owed,) = get(ACKNOWLEDGEMENTS)

    assert owed["removed_at"] == "2026-03-02T12:00:00Z"
    assert (owed["acknowledged_at"], owed["overdue"]) == (None, False)
    refused("POST", ACKNOWLEDGEMENTS, 404, "unknown_consumer", json=WORD)


def test_a_removed_webhook_leaves_its_consumer(
    session: Session, post: Call, get: Call, http: TestClient
) -> None:
    webhook = post("/v1/webhooks", url="https://hooks.example/", events=["job.failed"])["id"]
    assert post(PATH, **PRICING, webhook=webhook)["webhook"] == webhook

    assert http.delete(f"/v1/webhooks/{webhook}").status_code == 204
    session.expire_all()

    assert get(PATH)[0]["webhook"] is None


def test_news_that_its_webhook_took_are_noted_for_the_consumer(
    session: Session, version: ModelVersion, post: Call, get: Call
) -> None:
    webhook = post("/v1/webhooks", url="https://hooks.example/", events=["job.failed"])["id"]
    post(PATH, **PRICING, webhook=webhook)
    post(PATH, name="search", contact="-")
    withdraw(session, version)

    consumers.note_told(session, UUID(webhook), version.id, now=NOW)

    notified = {each["consumer"]: each["notified_at"] for each in get(ACKNOWLEDGEMENTS)}
    assert notified == {"pricing": "2026-03-02T12:00:00Z", "search": None}


@pytest.mark.parametrize("change", [{"name": "A B"}, {"contact": ""}, {"more": 1}])
def test_a_body_that_makes_no_sense_is_refused(refused: Call, change: dict[str, Any]) -> None:
    refused("POST", PATH, 422, "malformed", json=PRICING | change)


def test_consumers_are_of_one_model(session: Session, version: ModelVersion, post: Call) -> None:
    post(PATH, **PRICING)

    line = model_lines.by_id(session, version.model_id)

    assert [consumer.name for consumer in consumers.listed(session, line)] == ["pricing"]


def test_a_word_that_is_sent_again_is_answered_as_it_was(
    session: Session, version: ModelVersion, post: Call, http: TestClient, refused: Call
) -> None:
    post(PATH, **PRICING)
    withdraw(session, version)
    first = http.post(ACKNOWLEDGEMENTS, json=WORD, headers=KEY)
    http.delete(f"{PATH}/pricing")  # from here on nobody of this name owes a word
    entries = stated(session)

    second = http.post(ACKNOWLEDGEMENTS, json=WORD, headers=KEY)

    assert (second.status_code, second.json()) == (200, first.json())
    assert stated(session) == entries
    other = WORD | {"done": "nothing"}
    refused("POST", ACKNOWLEDGEMENTS, 422, "idempotency_key_reused", json=other, headers=KEY)
