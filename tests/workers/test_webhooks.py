"""From a fact to a receiver: addressed, posted, repeated by the schedule, given up, replayed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler

import pytest
from pydantic import SecretStr
from sqlalchemy import select
from standardwebhooks import Webhook as PublicClient
from standardwebhooks import WebhookVerificationError

from app import webhook_signing
from app.db import transaction
from app.ledger import batching, consumers, deliveries, model_lines, turns, webhooks
from app.ledger.log_tables import LedgerEntry
from app.ledger.outbox import EventType
from app.ledger.turns import SCHEDULE
from app.ledger.webhook_tables import (
    AttemptOutcome,
    DeliveryState,
    DisabledReason,
    Signing,
    Webhook,
    WebhookDelivery,
)
from tests.factories import NOW, make_request, make_version, run_through
from tests.workers.receiver import Receiver, receiving, status
from workers.station import Station
from workers.webhooks import address, post_messages, poster

PEPPER = "pepper"
EVENTS = [EventType.REQUEST_ACCEPTED, EventType.REQUEST_COMPLETED]


@dataclass
class Clock:
    """What time it is for the sender; it starts at the real time, which receivers compare with."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class FakeQueue:
    """Notes who was rung for."""

    rung: list[object]

    def ring(self, bell: str, row_id: object) -> None:
        self.rung.append(row_id)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime.now(UTC))


@pytest.fixture
def courier(station: Station, clock: Clock) -> Station:
    """A station whose webhooks may lead to this machine."""
    settings = station.settings.model_copy(
        update={
            "pepper": SecretStr(PEPPER),
            "webhook_http": True,
            "webhook_private_hosts": "127.0.0.1",
            "webhook_timeout_seconds": 2.0,
        }
    )
    return replace(station, settings=settings, clock=clock, queue=FakeQueue([]))


def listen(courier: Station, receiver: Receiver, signing: Signing = Signing.HMAC) -> Webhook:
    with transaction(courier.sessions) as session:
        return webhooks.create(
            session, receiver.url, events=EVENTS, model=None, signing=signing, now=courier.clock()
        )


def happen(courier: Station, *people: str) -> None:
    """One accepted request for each of these people; the models are there from the first on."""
    with transaction(courier.sessions) as session:
        make_version(session)
        for person in people:
            make_request(session, person, now=courier.clock())


def deliver(courier: Station, webhook: Webhook) -> None:
    """What a sweep and the bell it rings do."""
    address(courier)
    post_messages(courier, webhook.id, poster(courier))


def log_of(courier: Station, webhook: Webhook) -> list[WebhookDelivery]:
    with transaction(courier.sessions) as session:
        return list(reversed(deliveries.listed(session, webhook, limit=50)))


def only(courier: Station, webhook: Webhook) -> WebhookDelivery:
    (delivery,) = log_of(courier, webhook)
    return delivery


def outcomes(delivery: WebhookDelivery) -> list[tuple[AttemptOutcome | None, int | None]]:
    return [(attempt.outcome, attempt.status) for attempt in delivery.attempts]


def secret(webhook: Webhook, number: int = 1) -> str:
    return webhook_signing.secret(webhook_signing.key(PEPPER, webhook.id, number))


def kinds(courier: Station, webhook: Webhook) -> list[str]:
    """The ledger's entries on a webhook."""
    with transaction(courier.sessions) as session:
        query = select(LedgerEntry.kind).where(LedgerEntry.row_id == webhook.id)
        return list(session.scalars(query.order_by(LedgerEntry.id)))


def test_what_happens_is_posted_and_the_public_client_verifies_it(
    courier: Station, receiver: Receiver
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")

    deliver(courier, webhook)

    assert courier.queue.rung == [webhook.id]  # type: ignore[attr-defined]  # it is the fake one
    (heard,) = receiver.heard
    told = PublicClient(secret(webhook)).verify(heard.body, heard.headers)
    assert told == json.loads(heard.body)
    assert told["type"] == "deletion_request.accepted"
    assert heard.headers["content-type"] == "application/json"
    delivery = only(courier, webhook)
    assert (delivery.state, delivery.next_at) == (DeliveryState.DELIVERED, None)
    assert heard.headers["webhook-id"] == deliveries.message_id(delivery.id)
    assert outcomes(delivery) == [(AttemptOutcome.DELIVERED, 204)]


def test_a_message_that_was_not_taken_is_sent_again_with_the_same_id_and_bytes(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    receiver.answers(500)

    deliver(courier, webhook)
    deliver(courier, webhook)  # too early
    assert len(receiver.heard) == 1
    clock.pass_by(6)
    deliver(courier, webhook)

    first, second = receiver.heard
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 6
    assert only(courier, webhook).state is DeliveryState.DELIVERED
    assert outcomes(only(courier, webhook)) == [
        (AttemptOutcome.BAD_STATUS, 500),
        (AttemptOutcome.DELIVERED, 204),
    ]


def test_after_the_last_attempt_of_the_schedule_it_is_given_up_and_can_be_replayed(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    receiver.answers(*[503] * len(SCHEDULE))
    began = clock.now
    pauses = []

    deliver(courier, webhook)
    while (again := only(courier, webhook).next_at) is not None:
        pauses.append((again - clock.now).total_seconds())
        clock.now = again
        deliver(courier, webhook)

    for pause, published in zip(pauses, SCHEDULE[1:], strict=True):
        assert published <= pause <= 1.1 * published
    assert timedelta(hours=75) < clock.now - began < timedelta(hours=84)
    assert only(courier, webhook).state is DeliveryState.DEAD
    assert len(receiver.heard) == 10

    with transaction(courier.sessions) as session:
        found = deliveries.get(session, webhook, only(courier, webhook).id)
        deliveries.replay(session, webhook, found, now=clock.now)
    deliver(courier, webhook)

    assert len(set(receiver.ids)) == 1
    assert only(courier, webhook).state is DeliveryState.DELIVERED
    assert len(only(courier, webhook).attempts) == 11
    assert kinds(courier, webhook) == ["webhook.created", "webhook.replayed"]


def test_a_replay_that_fails_follows_the_whole_schedule_again(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    deliver(courier, webhook)
    with transaction(courier.sessions) as session:
        found = deliveries.get(session, webhook, only(courier, webhook).id)
        deliveries.replay(session, webhook, found, now=clock.now)
    receiver.answers(500)

    deliver(courier, webhook)

    again = only(courier, webhook).next_at
    assert again is not None
    assert 5 <= (again - clock.now).total_seconds() <= 5.5


def test_a_receiver_may_ask_for_a_longer_pause_but_not_for_days(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada", "ben", "eve")
    receiver.scripts += [
        status(429, Retry_After="3600"),
        status(503, Retry_After="8640000"),
        status(503, Retry_After="1"),
    ]

    deliver(courier, webhook)

    pauses = sorted(
        (delivery.next_at - clock.now).total_seconds()
        for delivery in log_of(courier, webhook)
        if delivery.next_at
    )
    assert pauses[1:] == [3600, 86400]
    assert 5 <= pauses[0] <= 5.5


def test_a_webhook_that_answers_410_is_disabled_until_an_operator_enables_it(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada", "ben")
    receiver.answers(410)

    deliver(courier, webhook)
    deliver(courier, webhook)

    assert len(receiver.heard) == 1
    states = {delivery.state for delivery in log_of(courier, webhook)}
    assert states == {DeliveryState.DEAD, DeliveryState.PENDING}
    assert kinds(courier, webhook) == ["webhook.created", "webhook.disabled"]
    with transaction(courier.sessions) as session:
        found = webhooks.get(session, webhook.id)
        assert found.disabled_reason is DisabledReason.GONE
        webhooks.enable(session, found, now=clock.now)

    deliver(courier, webhook)

    assert len(receiver.heard) == 2


def test_a_redirect_is_a_failure_and_nothing_follows_it(
    courier: Station, receiver: Receiver
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    receiver.scripts.append(status(302, Location="http://169.254.169.254/"))

    deliver(courier, webhook)

    assert outcomes(only(courier, webhook)) == [(AttemptOutcome.BAD_STATUS, 302)]
    assert only(courier, webhook).state is DeliveryState.PENDING


def test_an_address_that_was_allowed_once_and_is_not_any_more_is_not_reached(
    courier: Station, receiver: Receiver
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    settings = courier.settings.model_copy(update={"webhook_private_hosts": ""})

    deliver(replace(courier, settings=settings), webhook)

    assert receiver.heard == []
    assert outcomes(only(courier, webhook)) == [(AttemptOutcome.ADDRESS_REFUSED, None)]


def test_a_slow_receiver_is_tried_again_later(courier: Station, receiver: Receiver) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    hasty = courier.settings.model_copy(update={"webhook_timeout_seconds": 0.2})

    def hang(_: BaseHTTPRequestHandler) -> None:
        receiver.over.wait()

    receiver.scripts.append(hang)

    deliver(replace(courier, settings=hasty), webhook)

    assert outcomes(only(courier, webhook)) == [(AttemptOutcome.TIMEOUT, None)]
    assert only(courier, webhook).state is DeliveryState.PENDING


SENDER = """
import sys
from uuid import UUID
from app.config import Settings
from app.db import connect, sessions_of
from app.queue import CeleryQueue
from app.store import Store
from workers.station import Station
from workers.webhooks import poster, post_messages

settings = Settings()
station = Station(
    settings=settings,
    sessions=sessions_of(connect(settings.database_url)),
    store=Store(settings.store),
    queue=CeleryQueue("memory://"),
)
post_messages(station, UUID(sys.argv[1]), poster(station))
"""


def test_a_sender_that_is_killed_between_post_and_commit_costs_a_repetition_and_no_message(
    courier: Station, receiver: Receiver, clock: Clock, fresh_database: str
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    address(courier)
    senders: list[subprocess.Popen[bytes]] = []

    def kill(_: BaseHTTPRequestHandler) -> None:
        senders[0].send_signal(signal.SIGKILL)

    receiver.scripts.append(kill)
    environment = {
        "LACUNA_DATABASE_URL": fresh_database,
        "LACUNA_PEPPER": PEPPER,
        "LACUNA_WEBHOOK_HTTP": "true",
        "LACUNA_WEBHOOK_PRIVATE_HOSTS": "127.0.0.1",
        "LACUNA_DATA_DIR": str(courier.settings.data_dir),
    }

    senders.append(
        subprocess.Popen(
            [sys.executable, "-c", SENDER, str(webhook.id)], env=os.environ | environment
        )
    )
    assert senders[0].wait(60) == -signal.SIGKILL
    deliver(courier, webhook)
    assert len(receiver.heard) == 1  # the lease of the dead still holds
    clock.pass_by(turns.LEASE.total_seconds() + 60)
    deliver(courier, webhook)

    assert len(receiver.heard) == 2
    assert len(set(receiver.ids)) == 1
    assert only(courier, webhook).state is DeliveryState.DELIVERED
    assert outcomes(only(courier, webhook)) == [(None, None), (AttemptOutcome.DELIVERED, 204)]


def test_a_message_whose_last_attempt_killed_its_sender_is_given_up(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    address(courier)
    with transaction(courier.sessions) as session:
        session.get_one(WebhookDelivery, only(courier, webhook).id).attempt = len(SCHEDULE) - 1
        fence = turns.take(session, webhook.id, now=clock.now)
        assert fence is not None
        assert turns.begin(session, webhook.id, fence, now=clock.now)
    clock.pass_by(turns.LEASE.total_seconds() + 1)

    deliver(courier, webhook)

    assert receiver.heard == []
    assert only(courier, webhook).state is DeliveryState.DEAD


def test_a_turn_that_was_lost_writes_nothing(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    address(courier)
    with transaction(courier.sessions) as session:
        fence = turns.take(session, webhook.id, now=clock.now)
        assert fence is not None
        letter = turns.begin(session, webhook.id, fence, now=clock.now)
        assert letter is not None
        assert turns.take(session, webhook.id, now=clock.now) is None
    clock.pass_by(turns.LEASE.total_seconds() + 1)

    with transaction(courier.sessions) as session:
        later = turns.take(session, webhook.id, now=clock.now)
        assert later == fence + 1
        taken = turns.Answer(AttemptOutcome.DELIVERED, seconds=0.1, status=200)
        turns.settle(session, letter, taken, now=clock.now)
        turns.end(session, webhook.id, fence)

    assert only(courier, webhook).state is DeliveryState.PENDING
    with transaction(courier.sessions) as session:
        assert turns.held(session, webhook.id, fence + 1) is not None


def test_during_a_rotation_the_old_secret_and_the_new_one_verify_and_then_only_the_new(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    with transaction(courier.sessions) as session:
        found = webhooks.get(session, webhook.id, lock=True)
        webhooks.rotate(session, found, overlap=timedelta(minutes=1), now=clock.now)
    happen(courier, "ada")
    deliver(courier, webhook)
    clock.pass_by(61)
    with transaction(courier.sessions) as session:
        make_request(session, "ben", now=clock.now)
    deliver(courier, webhook)

    during, after = receiver.heard
    for number in (1, 2):
        PublicClient(secret(webhook, number)).verify(during.body, during.headers)
    PublicClient(secret(webhook, 2)).verify(after.body, after.headers)
    with pytest.raises(WebhookVerificationError):
        PublicClient(secret(webhook, 1)).verify(after.body, after.headers)


def test_when_a_consumers_webhook_took_the_news_of_a_withdrawal_that_is_noted(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    clock.now = NOW
    webhook = listen(courier, receiver)
    with transaction(courier.sessions) as session:
        version = make_version(session)
        line = model_lines.by_id(session, version.model_id)
        consumers.register(session, line, "pricing", contact="-", webhook=webhook, now=clock.now)
        make_request(session, "ada", now=clock.now)
        job = batching.batch(session, line.id, now=clock.now, flush=True)
        assert job is not None
        run_through(session, job)

    deliver(courier, webhook)

    told = {json.loads(heard.body)["type"] for heard in receiver.heard}
    assert told == {*EVENTS, EventType.VERSION_WITHDRAWN}
    with transaction(courier.sessions) as session:
        (owed,) = consumers.owed_for(session, [version.id])
        assert owed.notified_at == clock.now


def test_the_log_is_forgotten_in_time(courier: Station, receiver: Receiver, clock: Clock) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada")
    deliver(courier, webhook)

    clock.pass_by(31 * 24 * 3600)
    address(courier)

    assert log_of(courier, webhook) == []


def test_a_webhook_that_was_removed_while_it_was_posted_to_leaves_nothing_behind(
    courier: Station, receiver: Receiver, clock: Clock
) -> None:
    webhook = listen(courier, receiver)
    happen(courier, "ada", "ben")

    def remove(handler: BaseHTTPRequestHandler) -> None:
        with transaction(courier.sessions) as session:
            found = webhooks.get(session, webhook.id, lock=True)
            webhooks.remove(session, found, now=clock.now)
        status(200)(handler)

    receiver.scripts.append(remove)

    deliver(courier, webhook)

    assert len(receiver.heard) == 1
    with transaction(courier.sessions) as session:
        assert session.scalars(select(WebhookDelivery)).all() == []
    assert kinds(courier, webhook) == ["webhook.created", "webhook.removed"]
