"""A webhook's log: what it was sent, how each attempt went, and once more if need be."""

import json
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api import pages
from app.api.deps import NowDep, QueueDep, SessionDep
from app.api.problems import Malformed, refusals
from app.errors import BadPageToken
from app.ledger import deliveries, webhooks
from app.ledger.deliveries import UnknownDelivery
from app.ledger.webhook_tables import AttemptOutcome, DeliveryState, WebhookAttempt, WebhookDelivery
from app.ledger.webhooks import UnknownWebhook
from app.queue import POST_MESSAGES, ring_after_commit

router = APIRouter(prefix="/v1/webhooks/{webhook_id}/deliveries", tags=["webhooks"])


class AttemptRead(BaseModel):
    """One try."""

    number: int = Field(description="1, 2, 3, …, replays included.")
    at: datetime = Field(description="When it began.")
    outcome: AttemptOutcome | None = Field(
        description="How it went; null while it runs, or if its sender was killed."
    )
    status: int | None = Field(description="The HTTP status that came back.", examples=[503])
    seconds: float | None = Field(description="What it took.")

    @classmethod
    def of(cls, attempt: WebhookAttempt) -> Self:
        return cls(**{name: getattr(attempt, name) for name in cls.model_fields})


class DeliveryRead(BaseModel):
    """One message to one webhook."""

    id: UUID = Field(description="Its id in the log.")
    message_id: str = Field(description="Its `webhook-id`, the same in every attempt.")
    state: DeliveryState = Field(description="`dead` was given up and can be replayed.")
    message: dict[str, Any] = Field(description="What is sent: type, timestamp and data.")
    next_at: datetime | None = Field(description="When it is tried next.")
    created_at: datetime = Field(description="When it was addressed.")
    finished_at: datetime | None = Field(description="When it was taken, or given up.")
    attempts: list[AttemptRead] = Field(description="Every try, oldest first.")

    @classmethod
    def of(cls, delivery: WebhookDelivery) -> Self:
        return cls(
            id=delivery.id,
            message_id=deliveries.message_id(delivery.id),
            state=delivery.state,
            message=json.loads(delivery.event.body or "{}"),
            next_at=delivery.next_at,
            created_at=delivery.created_at,
            finished_at=delivery.finished_at,
            attempts=[AttemptRead.of(attempt) for attempt in delivery.attempts],
        )


class DeliveryPage(BaseModel):
    """One page of deliveries, newest first."""

    items: list[DeliveryRead] = Field(description="The deliveries.")
    next_page_token: str = Field(description="For the next page; empty at the end.")


@router.get(
    "",
    summary="Read a webhook's log",
    responses=refusals(UnknownWebhook, BadPageToken, Malformed),
)
def list_deliveries(
    webhook_id: UUID,
    session: SessionDep,
    page_size: pages.PageSize = 50,
    page_token: pages.PageToken = None,
    state: Annotated[DeliveryState | None, Query(description="Only those in this state.")] = None,
) -> DeliveryPage:
    """What a webhook was sent, newest first, for as long as the log is kept."""
    limit = pages.size(page_size)
    found = deliveries.listed(
        session,
        webhooks.get(session, webhook_id),
        limit=limit + 1,
        after=pages.decode("deliveries", page_token),
        state=state,
    )
    more = found[limit - 1] if len(found) > limit else None
    return DeliveryPage(
        items=[DeliveryRead.of(delivery) for delivery in found[:limit]],
        next_page_token=pages.encode("deliveries", (more.created_at, more.id)) if more else "",
    )


@router.post(
    "/{delivery_id}:replay",
    status_code=202,
    summary="Send a message once more",
    responses=refusals(UnknownWebhook, UnknownDelivery, Malformed),
)
def replay_delivery(
    webhook_id: UUID, delivery_id: UUID, session: SessionDep, queue: QueueDep, now: NowDep
) -> DeliveryRead:
    """Send it again, now and then by the schedule, whatever became of it; its id stays the same.

    To a webhook that is disabled it goes when that is enabled.
    """
    webhook = webhooks.get(session, webhook_id, lock=True)
    delivery = deliveries.get(session, webhook, delivery_id)
    deliveries.replay(session, webhook, delivery, now=now)
    ring_after_commit(session, queue, POST_MESSAGES, webhook_id)
    return DeliveryRead.of(delivery)
