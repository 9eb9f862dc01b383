"""The log of what webhooks were sent: read, repeated, and forgotten in time."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, delete, func, select, tuple_
from sqlalchemy.orm import Session, joinedload, selectinload

from app.errors import NotFound
from app.ledger import webhooks
from app.ledger.turns import SCHEDULE
from app.ledger.webhook_tables import DeliveryState, Webhook, WebhookDelivery, WebhookEvent


class UnknownDelivery(NotFound):
    """The webhook has no such delivery."""

    code = "unknown_delivery"


def listed(
    session: Session,
    webhook: Webhook,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    state: DeliveryState | None = None,
) -> Sequence[WebhookDelivery]:
    """A webhook's deliveries, newest first, those after a place in that order."""
    query = select(WebhookDelivery).where(WebhookDelivery.webhook_id == webhook.id)
    if state is not None:
        query = query.where(WebhookDelivery.state == state)
    place = tuple_(WebhookDelivery.created_at, WebhookDelivery.id)
    if after is not None:
        query = query.where(place < after)
    return session.scalars(
        query.order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc())
        .limit(limit)
        .options(*WITH_ATTEMPTS)
    ).all()


def get(session: Session, webhook: Webhook, delivery_id: UUID) -> WebhookDelivery:
    """The delivery of this id, locked."""
    delivery = session.scalar(
        select(WebhookDelivery)
        .where(WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook.id)
        .options(*WITH_ATTEMPTS)
        .with_for_update(of=WebhookDelivery)
    )
    if delivery is None:
        raise UnknownDelivery("this webhook has no delivery with this id; old ones are forgotten")
    return delivery


def replay(session: Session, webhook: Webhook, delivery: WebhookDelivery, *, now: datetime) -> None:
    """Send a message once more, at once and then by the schedule, whatever became of it before.

    Its id stays, by which a receiver knows what it has had already.
    """
    delivery.state, delivery.next_at, delivery.finished_at = DeliveryState.PENDING, now, None
    delivery.last_attempt = delivery.attempt + len(SCHEDULE)
    webhooks.state(session, webhook, "replayed", now=now, delivery=str(delivery.id))
    session.flush()


def message_id(delivery_id: UUID) -> str:
    """The `webhook-id` that every attempt of a delivery carries; it holds no dot."""
    return f"msg_{delivery_id.hex}"


def counts(session: Session) -> dict[tuple[UUID, DeliveryState], int]:
    """By webhook and state: how many deliveries the log holds."""
    rows: Sequence[Row[UUID, DeliveryState, int]] = session.execute(
        select(WebhookDelivery.webhook_id, WebhookDelivery.state, func.count()).group_by(
            WebhookDelivery.webhook_id, WebhookDelivery.state
        )
    ).all()
    return {(webhook_id, state): count for webhook_id, state, count in rows}


def forget(session: Session, *, before: datetime) -> None:
    """Drop what is older than the log is kept, also what waits for a webhook that is disabled."""
    session.execute(delete(WebhookEvent).where(WebhookEvent.at <= before))


WITH_ATTEMPTS = (joinedload(WebhookDelivery.event), selectinload(WebhookDelivery.attempts))
