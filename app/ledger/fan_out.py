"""Turns the outbox's events into deliveries: one for each webhook that wants them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from app.ledger import consumers, messages, opendsr
from app.ledger.outbox import EventType
from app.ledger.turns import SCHEDULE
from app.ledger.webhook_tables import (
    DeliveryState,
    Signing,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
)


def drop_unwanted(session: Session) -> None:
    """Drop the events that are of no type that anybody asked for.

    Withdrawals stay: they are told to consumers' webhooks whatever those asked for. So do those of
    requests that want to be called back. One statement, and so one snapshot: it sees every webhook
    that is older than an event it sees, and every callback of a request.
    """
    wanted = select(func.jsonb_array_elements_text(Webhook.events)).where(
        Webhook.signing != Signing.OPENDSR
    )
    session.execute(
        delete(WebhookEvent)
        .where(
            WebhookEvent.body.is_(None),
            WebhookEvent.kind != EventType.VERSION_WITHDRAWN,
            WebhookEvent.kind.not_in(wanted),
            WebhookEvent.row_id.not_in(opendsr.REQUESTS_CALLED_BACK),
        )
        .execution_options(synchronize_session=False)
    )


def fan_out(session: Session, *, limit: int, now: datetime) -> int:
    """Address the oldest events that wait; returns how many there were.

    Those that nobody wants after all are dropped. Several clerks at once take different ones.
    """
    events = session.scalars(
        select(WebhookEvent)
        .where(WebhookEvent.body.is_(None))
        .order_by(WebhookEvent.at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    webhooks = session.scalars(select(Webhook)).all()
    unwanted = [event.id for event in events if not address(session, event, webhooks, now=now)]
    session.execute(delete(WebhookEvent).where(WebhookEvent.id.in_(unwanted)))
    return len(events)


def address(
    session: Session, event: WebhookEvent, webhooks: Sequence[Webhook], *, now: datetime
) -> bool:
    """Write the message and a delivery for everyone who wants it; whether anyone does."""
    wanting = subscribed(session, event, webhooks)
    if not wanting:
        return False
    message = messages.of(session, event)
    takers = [hook for hook in wanting if hook.model_id in {None, *message.models}]
    if not takers:
        return False
    event.body = messages.body(event, message)
    for webhook in takers:
        deliver(session, event, webhook, now=now)
    return True


def subscribed(session: Session, event: WebhookEvent, webhooks: Iterable[Webhook]) -> list[Webhook]:
    """Who asked for events of this type, or has to be told of this one.

    These are the users of a model of which a version was withdrawn, and whoever a request that
    came in over OpenDSR wants called back; callbacks are told of their own requests alone.
    """
    if event.kind == EventType.VERSION_WITHDRAWN:
        entitled = consumers.webhooks_owing(session, event.row_id)
    else:
        entitled = opendsr.webhooks_called(session, event)
    return [
        webhook
        for webhook in webhooks
        if webhook.id in entitled
        or (
            webhook.signing is not Signing.OPENDSR
            and event.kind in webhook.events
            and webhook.created_at <= event.at
        )
    ]


def deliver(session: Session, event: WebhookEvent, webhook: Webhook, *, now: datetime) -> None:
    """Have one webhook told, at the next turn."""
    session.add(
        WebhookDelivery(
            webhook_id=webhook.id,
            event_id=event.id,
            body=opendsr.callback(session, event, webhook),
            state=DeliveryState.PENDING,
            attempt=0,
            last_attempt=len(SCHEDULE),
            next_at=now,
            created_at=now,
        )
    )
