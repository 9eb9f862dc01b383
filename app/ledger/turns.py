"""Turns at sending: a lease on one webhook, and each attempt written down before and after it.

The attempt is counted, and the next one scheduled, before anything is sent. A sender that dies
leaves a lease that runs out and a delivery that is due again: at least once, with the same id.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, joinedload

from app.ledger import consumers, webhooks
from app.ledger.outbox import EventType
from app.ledger.webhook_tables import (
    AttemptOutcome,
    DeliveryState,
    DisabledReason,
    Signing,
    Webhook,
    WebhookAttempt,
    WebhookDelivery,
)

# Seconds before each attempt, as Standard Webhooks has it: the last is 75 h 35 min after the first.
SCHEDULE = (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
JITTER = 0.1  # at most so much is added, so that what failed together is not repeated together
LONGEST_WAIT = timedelta(days=1)  # that a receiver's Retry-After is given
LEASE = timedelta(seconds=90)  # renewed before each attempt, which takes a third of it at most
GONE = 410


@dataclass(frozen=True)
class Letter:
    """One attempt: what to send where, and what it is signed with."""

    fence: int
    webhook_id: UUID
    delivery_id: UUID
    number: int
    url: str
    signing: Signing
    keys: tuple[int, ...]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What came of an attempt."""

    outcome: AttemptOutcome
    seconds: float
    status: int | None = None
    retry_after: timedelta | None = None


def waiting(session: Session, *, now: datetime) -> Sequence[UUID]:
    """Webhooks that a message is due for and that nobody sends to."""
    return session.scalars(
        select(Webhook.id)
        .join(WebhookDelivery, WebhookDelivery.webhook_id == Webhook.id)
        .where(due(now), free(now))
        .distinct()
    ).all()


def due(now: datetime) -> ColumnElement[bool]:
    return (WebhookDelivery.state == DeliveryState.PENDING) & (WebhookDelivery.next_at <= now)


def free(now: datetime) -> ColumnElement[bool]:
    """Enabled, and under nobody's lease."""
    return Webhook.disabled_at.is_(None) & or_(
        Webhook.lease_until.is_(None), Webhook.lease_until < now
    )


def take(session: Session, webhook_id: UUID, *, now: datetime) -> int | None:
    """The fence of a turn at this webhook; None if somebody else has it, or none may."""
    webhook = session.scalar(
        select(Webhook)
        .where(Webhook.id == webhook_id, free(now))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    if webhook is None:
        return None
    webhook.fence += 1
    webhook.lease_until = now + LEASE
    return webhook.fence


def held(session: Session, webhook_id: UUID, fence: int) -> Webhook | None:
    """The webhook, locked, if this turn still holds it."""
    return session.scalar(
        select(Webhook)
        .where(Webhook.id == webhook_id, Webhook.fence == fence, Webhook.lease_until.is_not(None))
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def begin(session: Session, webhook_id: UUID, fence: int, *, now: datetime) -> Letter | None:
    """Count an attempt at the message that is due first; None if there is none, or no more turn."""
    webhook = held(session, webhook_id, fence)
    if webhook is None or webhook.disabled_at is not None:
        return None
    webhook.lease_until = now + LEASE
    delivery = next_due(session, webhook_id, now=now)
    if delivery is None:
        return None
    body = delivery.body or delivery.event.body
    assert body is not None  # it was addressed
    delivery.attempt += 1
    delivery.next_at = after(delivery, now=now) or now + LEASE
    session.add(WebhookAttempt(delivery_id=delivery.id, number=delivery.attempt, at=now))
    return Letter(
        fence=fence,
        webhook_id=webhook_id,
        delivery_id=delivery.id,
        number=delivery.attempt,
        url=webhook.url,
        signing=webhook.signing,
        keys=tuple(webhooks.key_numbers(webhook, now=now)),
        body=body.encode(),
    )


def next_due(session: Session, webhook_id: UUID, *, now: datetime) -> WebhookDelivery | None:
    """What is due first. What a sender died of at its last attempt is given up on the way."""
    found = session.scalars(
        select(WebhookDelivery)
        .where(WebhookDelivery.webhook_id == webhook_id, due(now))
        .order_by(WebhookDelivery.next_at, WebhookDelivery.id)
        .options(joinedload(WebhookDelivery.event))
        .with_for_update(of=WebhookDelivery)
    )
    for delivery in found:
        if delivery.attempt < delivery.last_attempt:
            return delivery
        finish(delivery, DeliveryState.DEAD, now=now)
    return None


def after(delivery: WebhookDelivery, *, now: datetime) -> datetime | None:
    """When to try again if this attempt fails; None if it is the last."""
    left = delivery.last_attempt - delivery.attempt
    if left == 0:
        return None
    pause = SCHEDULE[len(SCHEDULE) - left]
    return now + timedelta(seconds=pause * random.uniform(1, 1 + JITTER))


def settle(session: Session, letter: Letter, answer: Answer, *, now: datetime) -> None:
    """Write down what came of an attempt; nothing if its turn was lost meanwhile."""
    webhook = held(session, letter.webhook_id, letter.fence)
    if webhook is None:
        return
    delivery = session.get_one(
        WebhookDelivery, letter.delivery_id, options=[joinedload(WebhookDelivery.event)]
    )
    attempt = session.get_one(WebhookAttempt, (letter.delivery_id, letter.number))
    attempt.outcome, attempt.status = answer.outcome, answer.status
    attempt.seconds = round(answer.seconds, 3)
    if answer.outcome is AttemptOutcome.DELIVERED:
        finish(delivery, DeliveryState.DELIVERED, now=now)
        if delivery.event.kind == EventType.VERSION_WITHDRAWN:
            consumers.note_told(session, webhook.id, delivery.event.row_id, now=now)
        return
    if answer.status == GONE and webhook.disabled_at is None:
        webhooks.disable(session, webhook, reason=DisabledReason.GONE, now=now)
    again = after(delivery, now=now)
    if answer.status == GONE or again is None:
        finish(delivery, DeliveryState.DEAD, now=now)
    else:
        asked = min(answer.retry_after or timedelta(), LONGEST_WAIT)
        delivery.next_at = max(again, now + asked)


def finish(delivery: WebhookDelivery, state: DeliveryState, *, now: datetime) -> None:
    """Nothing more is sent of it, unless it is replayed."""
    delivery.state, delivery.finished_at, delivery.next_at = state, now, None


def end(session: Session, webhook_id: UUID, fence: int) -> None:
    """Let somebody else send to this webhook."""
    if (webhook := held(session, webhook_id, fence)) is not None:
        webhook.lease_until = None
