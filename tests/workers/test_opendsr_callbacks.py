"""Callbacks of OpenDSR requests: by the webhooks' outbox and courier, in a form of their own."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from app.db import transaction
from app.ledger import batching, deliveries, fan_out, holds, opendsr, requests
from app.ledger.outbox import EventType
from app.ledger.reasons import DenialReason, HoldReason
from app.ledger.states import RequestState
from app.ledger.tables import DeletionRequest, Model
from app.ledger.turns import SCHEDULE
from app.ledger.webhook_tables import (
    DeliveryState,
    Signing,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)
from app.opendsr_signing import BadIdentity
from tests import certificates
from tests.certificates import DOMAIN, is_signed
from tests.factories import NOW, make_request, make_version, run_through
from tests.workers.receiver import Heard, Receiver, receiving
from tests.workers.test_webhooks import Clock, FakeQueue, deliver
from workers.station import Station
from workers.webhooks import address, post_messages, poster

ID = UUID("a7551968-d5d6-44b2-9831-815ac9017798")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def courier(station: Station, tmp_path: Path) -> Station:
    settings = station.settings.model_copy(
        update={
            "pepper": SecretStr("pepper"),
            "webhook_http": True,
            "webhook_private_hosts": "127.0.0.1",
            "webhook_timeout_seconds": 2.0,
            **certificates.write(tmp_path),
        }
    )
    return replace(station, settings=settings, clock=Clock(NOW), queue=FakeQueue([]))


def ask(courier: Station, person: str, *urls: str, subject_request_id: UUID = ID) -> UUID:
    """A request that came in over OpenDSR and wants these called back."""
    with transaction(courier.sessions) as session:
        request = make_request(session, person, now=courier.clock())
        opendsr.keep(
            session,
            request,
            subject_request_id,
            controller_id="acme",
            domain=DOMAIN,
            callbacks=urls,
            now=courier.clock(),
        )
        return request.id


def hook(courier: Station, url: str) -> Webhook:
    with transaction(courier.sessions) as session:
        return session.scalars(select(Webhook).where(Webhook.url == url)).one()


def train(courier: Station) -> None:
    with transaction(courier.sessions) as session:
        make_version(session)


def carry_out(courier: Station) -> None:
    with transaction(courier.sessions) as session:
        line = session.scalars(select(Model)).one()
        job = batching.batch(session, line.id, now=courier.clock(), flush=True)
        assert job is not None
        run_through(session, job)


def told(heard: Heard) -> tuple[str, str]:
    body = json.loads(heard.body)
    return body["subject_request_id"], body["request_status"]


def test_each_step_is_called_back_signed_and_in_the_protocols_words(
    courier: Station, receiver: Receiver, tmp_path: Path
) -> None:
    train(courier)
    request_id = ask(courier, "ada", receiver.url)
    deliver(courier, hook(courier, receiver.url))

    with transaction(courier.sessions) as session:
        requests.deny(
            session, request_id, reasons=[DenialReason.NO_MATCH], notice="letter 1", now=NOW
        )
    deliver(courier, hook(courier, receiver.url))

    first, last = receiver.heard
    assert json.loads(first.body) == {
        "api_version": "2.0",
        "controller_id": "acme",
        "expected_completion_time": "2026-04-01T12:00:00Z",
        "request_status": "pending",
        "status_callback_url": receiver.url,
        "subject_request_id": str(ID),
    }
    assert json.loads(last.body)["request_status"] == "cancelled"
    assert json.loads(last.body)["extensions"] == {DOMAIN: {"outcome": "denied"}}
    certificate = (tmp_path / "opendsr-certificate.pem").read_bytes()
    for heard in receiver.heard:
        assert heard.headers["x-opendsr-processor-domain"] == DOMAIN
        assert is_signed(certificate, heard.body, heard.headers)
        assert "webhook-signature" not in heard.headers


def test_a_request_that_is_carried_out_is_told_to_its_end(
    courier: Station, receiver: Receiver
) -> None:
    train(courier)
    ask(courier, "ada", receiver.url)

    carry_out(courier)
    deliver(courier, hook(courier, receiver.url))

    statuses = {status for _, status in map(told, receiver.heard)}  # in no promised order
    assert statuses == {"pending", "in_progress", "completed"}
    assert len(receiver.heard) == 3


def test_a_callback_is_told_of_its_own_requests_alone(courier: Station, receiver: Receiver) -> None:
    train(courier)
    other = uuid4()
    ask(courier, "ada", receiver.url)
    ask(courier, "ben", f"{receiver.url}?other", subject_request_id=other)
    with transaction(courier.sessions) as session:
        make_request(session, "eve", now=NOW)

    deliver(courier, hook(courier, receiver.url))
    mine = [told(heard) for heard in receiver.heard]
    deliver(courier, hook(courier, f"{receiver.url}?other"))

    assert mine == [(str(ID), "pending")]
    assert [told(heard) for heard in receiver.heard[1:]] == [(str(other), "pending")]


def test_what_no_callback_is_told_of_is_dropped_at_once(
    courier: Station, receiver: Receiver
) -> None:
    train(courier)
    called_back = ask(courier, "ada", receiver.url)
    with transaction(courier.sessions) as session:
        make_request(session, "eve", now=NOW)

        fan_out.drop_unwanted(session)

        left = session.scalars(select(WebhookEvent)).all()
    assert [(event.kind, event.row_id) for event in left] == [
        (EventType.REQUEST_ACCEPTED, called_back)
    ]


def test_every_callback_of_a_request_is_told_its_own_url(
    courier: Station, receiver: Receiver
) -> None:
    train(courier)
    urls = [receiver.url, f"{receiver.url}?second"]
    ask(courier, "ada", *urls)

    address(courier)
    for url in urls:
        post_messages(courier, hook(courier, url).id, poster(courier))

    bodies = [json.loads(heard.body) for heard in receiver.heard]
    assert [body["status_callback_url"] for body in bodies] == urls


def test_a_callback_that_fails_is_repeated_by_the_schedule_with_the_same_bytes(
    courier: Station, receiver: Receiver
) -> None:
    train(courier)
    request_id = ask(courier, "ada", receiver.url)
    receiver.answers(503)
    deliver(courier, hook(courier, receiver.url))
    with transaction(courier.sessions) as session:
        holds.hold(session, request_id, reason=HoldReason.LEGAL_CLAIMS, now=NOW)

    courier.clock.pass_by(SCHEDULE[1] * 1.2)  # type: ignore[attr-defined]  # a test's clock
    post_messages(courier, hook(courier, receiver.url).id, poster(courier))

    first, second = receiver.heard
    assert first.body == second.body
    assert first.headers["x-opendsr-signature"] == second.headers["x-opendsr-signature"]


def test_a_callback_may_not_lead_into_our_network(courier: Station) -> None:
    url = "http://169.254.169.254/latest"
    train(courier)
    ask(courier, "ada", url)

    deliver(courier, hook(courier, url))

    with transaction(courier.sessions) as session:
        (delivery,) = deliveries.listed(session, hook(courier, url), limit=5)
    assert [attempt.outcome for attempt in delivery.attempts] == ["address_refused"]


def test_a_callback_is_not_sent_unsigned(courier: Station, receiver: Receiver) -> None:
    """It stays due: its attempt was counted, and the next follows by the schedule."""
    train(courier)
    ask(courier, "ada", receiver.url)
    off = replace(courier, settings=courier.settings.model_copy(update={"opendsr_domain": ""}))

    with pytest.raises(BadIdentity, match="waits to be signed"):
        deliver(off, hook(courier, receiver.url))

    with transaction(courier.sessions) as session:
        delivery = session.scalars(select(WebhookDelivery)).one()
    assert receiver.heard == []
    assert delivery.state is DeliveryState.PENDING


def test_all_that_is_told_of_a_state_has_a_type_of_event() -> None:
    """What is not: that it came in, and that it waits to be verified. The answer says both."""
    states = {event.partition(".")[2] for event in opendsr.CALLED_BACK}

    assert states == set(RequestState) - {"received", "verifying"}


def test_a_removed_webhook_takes_its_callbacks_with_it(
    courier: Station, receiver: Receiver
) -> None:
    train(courier)
    request_id = ask(courier, "ada", receiver.url)
    with transaction(courier.sessions) as session:
        session.delete(session.scalars(select(Webhook)).one())

    address(courier)
    with transaction(courier.sessions) as session:
        assert session.get(DeletionRequest, request_id)
        assert session.scalars(select(WebhookDelivery)).all() == []
        again = opendsr.callback_webhook(session, receiver.url, now=NOW)

    assert again.signing is Signing.OPENDSR


def test_of_two_requests_that_name_a_callback_first_one_makes_its_webhook(
    courier: Station, receiver: Receiver
) -> None:
    train(courier)
    people = [("ada", ID), ("ben", uuid4()), ("eve", uuid4()), ("kim", uuid4())]

    with ThreadPoolExecutor(len(people)) as together:
        asked = [
            together.submit(ask, courier, person, receiver.url, subject_request_id=its_id)
            for person, its_id in people
        ]
    made = {each.result() for each in asked}

    assert len(made) == len(people)
    assert hook(courier, receiver.url).signing is Signing.OPENDSR  # the only one
