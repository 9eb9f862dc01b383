"""Webhooks over HTTP: made, read, disabled, rotated, removed; their log, and replays."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from app import webhook_signing
from app.ledger import deliveries, fan_out, webhooks
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.webhook_tables import DeliveryState
from app.queue import POST_MESSAGES
from tests.api.conftest import Call, Clock, FakeQueue
from tests.factories import NOW, PEPPER, make_request, make_version

PATH = "/v1/webhooks"
URL = "https://hooks.example/secret-path"
BODY = {"url": URL, "events": ["deletion_request.accepted"]}


@pytest.fixture
def made(post: Call) -> Any:
    return post(PATH, **BODY)


def stated(session: Session, webhook_id: str) -> list[tuple[str, str]]:
    """The ledger's entries on a webhook: kind and payload."""
    rows = session.execute(
        select(LedgerEntry.kind, LedgerPayload.payload)
        .join(LedgerPayload)
        .where(LedgerEntry.row_id == UUID(webhook_id))
        .order_by(LedgerEntry.id)
    )
    return [(kind, payload) for kind, payload in rows]


def tell(session: Session, *people: str) -> None:
    """Requests of these people, addressed to whoever wants to hear of them."""
    make_version(session)
    for person in people:
        make_request(session, person)
    fan_out.fan_out(session, limit=100, now=NOW)
    session.flush()


def test_a_webhook_is_made_and_its_secret_is_shown_once(made: Any, get: Call) -> None:
    read = get(f"{PATH}/{made['id']}")

    assert made["secret"] == webhook_signing.secret(
        webhook_signing.key(PEPPER, UUID(made["id"]), 1)
    )
    assert "secret" not in read
    assert read == {key: value for key, value in made.items() if key != "secret"}
    assert read == {
        "id": made["id"],
        "url": URL,
        "events": ["deletion_request.accepted"],
        "model": None,
        "signing": "hmac",
        "public_keys": [],
        "previous_key_until": None,
        "enabled": True,
        "disabled_at": None,
        "disabled_reason": None,
        "pending": 0,
        "dead": 0,
        "created_at": "2026-03-02T12:00:00Z",
    }
    assert get(PATH) == [read]


def test_of_a_key_of_ours_only_the_public_half_is_shown(post: Call) -> None:
    made = post(PATH, **BODY, signing="ed25519")

    key = webhook_signing.key(PEPPER, UUID(made["id"]), 1)
    assert made["secret"] is None
    assert made["public_keys"] == [webhook_signing.public_key(key)]


def test_the_ledger_says_what_was_done_and_no_secret(
    session: Session, made: Any, post: Call, http: TestClient
) -> None:
    for action in (":disable", ":enable"):
        post(f"{PATH}/{made['id']}{action}")
    rotated = http.post(f"{PATH}/{made['id']}:rotate").json()  # a body is not needed
    assert http.delete(f"{PATH}/{made['id']}").status_code == 204

    entries = stated(session, made["id"])
    assert [kind for kind, _ in entries] == [
        f"webhook.{what}" for what in ("created", "disabled", "enabled", "rotated", "removed")
    ]
    payloads = "".join(payload for _, payload in entries)
    assert "hooks.example" in payloads
    for secret in ("secret-path", made["secret"], rotated["secret"]):
        assert secret not in payloads


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "https://10.0.0.7/",
        "https://[::1]/",
        "https://user:password@hooks.example/",
    ],
)
def test_a_url_where_nothing_will_be_sent_is_refused(refused: Call, url: str) -> None:
    problem = refused("POST", PATH, 422, "url_not_allowed", json=BODY | {"url": url})

    assert problem["errors"][0]["pointer"] == "/url"
    assert url not in str(problem)


@pytest.mark.parametrize(
    "change",
    [
        {"url": "ftp://hooks.example/"},
        {"url": "https://"},
        {"events": []},
        {"events": ["job.queued"]},
        {"events": ["job.failed", "job.failed"]},
        {"signing": "none"},
        {"more": 1},
    ],
)
def test_a_body_that_makes_no_sense_is_refused(refused: Call, change: dict[str, Any]) -> None:
    refused("POST", PATH, 422, "malformed", json=BODY | change)


def test_a_webhook_for_a_model_that_does_not_exist_is_refused(refused: Call) -> None:
    refused("POST", PATH, 404, "unknown_model", json=BODY | {"model": "birds"})


def test_without_a_pepper_no_webhook_is_made(app: FastAPI, refused: Call) -> None:
    settings = app.state.settings
    app.state.settings = settings.model_copy(update={"pepper": SecretStr("")})

    refused("POST", PATH, 503, "no_pepper", json=BODY)


def test_what_does_not_exist_is_refused(made: Any, refused: Call) -> None:
    nowhere = f"{PATH}/{uuid4()}"
    refused("GET", nowhere, 404, "unknown_webhook")
    refused("DELETE", nowhere, 404, "unknown_webhook")
    refused("GET", f"{nowhere}/deliveries", 404, "unknown_webhook")
    for action in ("disable", "enable", "rotate"):
        refused("POST", f"{nowhere}:{action}", 404, "unknown_webhook", json={})
    replay = f"{PATH}/{made['id']}/deliveries/{uuid4()}:replay"
    refused("POST", replay, 404, "unknown_delivery")
    refused("GET", f"{PATH}/{made['id']}/deliveries?page_token=x", 400, "bad_page_token")


def test_it_is_disabled_and_enabled_once_each(made: Any, post: Call, refused: Call) -> None:
    path = f"{PATH}/{made['id']}"
    refused("POST", f"{path}:enable", 409, "illegal_transition")

    disabled = post(f"{path}:disable")

    assert (disabled["enabled"], disabled["disabled_reason"]) == (False, "operator")
    refused("POST", f"{path}:disable", 409, "illegal_transition")
    assert post(f"{path}:enable")["enabled"] is True


def test_a_rotation_gives_a_new_secret_and_says_how_long_the_old_one_signs(
    made: Any, post: Call, clock: Clock, get: Call
) -> None:
    path = f"{PATH}/{made['id']}"

    rotated = post(f"{path}:rotate", overlap_seconds=60)

    key = webhook_signing.key(PEPPER, UUID(made["id"]), 2)
    assert rotated["secret"] == webhook_signing.secret(key)
    assert rotated["previous_key_until"] == "2026-03-02T12:01:00Z"
    assert post(f"{path}:rotate", overlap_seconds=0)["previous_key_until"] is None


def test_public_keys_of_a_rotation_are_both_shown_while_both_sign(
    post: Call, get: Call, clock: Clock
) -> None:
    made = post(PATH, **BODY, signing="ed25519")
    path = f"{PATH}/{made['id']}"

    rotated = post(f"{path}:rotate", overlap_seconds=60)
    clock.pass_by(61)

    assert rotated["secret"] is None
    assert rotated["public_keys"][1:] == made["public_keys"]
    assert get(path)["public_keys"] == rotated["public_keys"][:1]


def test_the_log_shows_each_message_newest_first_in_pages(
    session: Session, made: Any, get: Call
) -> None:
    tell(session, "ada", "ben", "eve")
    path = f"{PATH}/{made['id']}/deliveries"

    first = get(path, page_size=2)
    second = get(path, page_size=2, page_token=first["next_page_token"])

    assert [len(page["items"]) for page in (first, second)] == [2, 1]
    assert second["next_page_token"] == ""
    items = [*first["items"], *second["items"]]
    assert len({item["id"] for item in items}) == 3
    for item in items:
        assert item["state"] == "pending"
        assert item["message"]["type"] == "deletion_request.accepted"
        assert item["message_id"] == f"msg_{UUID(item['id']).hex}"
        assert item["attempts"] == []
    assert get(f"{PATH}/{made['id']}")["pending"] == 3
    assert get(path, state="dead")["items"] == []


def test_a_message_that_was_given_up_is_listed_as_dead_and_can_be_replayed(
    session: Session, made: Any, get: Call, post: Call, queue: FakeQueue, clock: Clock
) -> None:
    tell(session, "ada")
    path = f"{PATH}/{made['id']}/deliveries"
    (listed,) = get(path)["items"]
    webhook = webhooks.get(session, UUID(made["id"]))
    delivery = deliveries.get(session, webhook, UUID(listed["id"]))
    delivery.state, delivery.next_at, delivery.finished_at = DeliveryState.DEAD, None, NOW
    session.flush()
    (dead,) = get(path, state="dead")["items"]
    assert get(f"{PATH}/{made['id']}")["dead"] == 1
    clock.pass_by(60)

    replayed = post(f"{path}/{dead['id']}:replay")

    assert replayed["state"] == "pending"
    assert replayed["next_at"] == "2026-03-02T12:01:00Z"
    assert replayed["message_id"] == dead["message_id"]
    assert queue.rung == [(POST_MESSAGES, UUID(made["id"]))]
    assert stated(session, made["id"])[-1][0] == "webhook.replayed"


def test_another_webhooks_message_cannot_be_replayed(
    session: Session, made: Any, post: Call, get: Call, refused: Call
) -> None:
    tell(session, "ada")
    (listed,) = get(f"{PATH}/{made['id']}/deliveries")["items"]
    other = post(PATH, **BODY)

    path = f"{PATH}/{other['id']}/deliveries/{listed['id']}:replay"
    refused("POST", path, 404, "unknown_delivery")


def test_a_removed_webhook_is_gone_with_its_log(
    session: Session, made: Any, http: TestClient, get: Call, refused: Call
) -> None:
    tell(session, "ada")

    assert http.delete(f"{PATH}/{made['id']}").status_code == 204

    assert get(PATH) == []
    refused("GET", f"{PATH}/{made['id']}", 404, "unknown_webhook")
