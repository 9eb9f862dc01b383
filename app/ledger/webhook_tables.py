"""The tables of webhooks: who is told, of what, and how each attempt to tell them went."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, Table
from app.ledger.tables import Model, stored


class Signing(StrEnum):
    """How messages are signed."""

    HMAC = "hmac"  # with a secret that both sides know
    ED25519 = "ed25519"  # with a key of ours alone; receivers need the public one
    OPENDSR = "opendsr"  # as OpenDSR asks, with the key of the operator's certificate


class DeliveryState(StrEnum):
    """How far one message to one webhook is."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; a replay begins anew


class AttemptOutcome(StrEnum):
    """How one attempt went."""

    DELIVERED = "delivered"
    BAD_STATUS = "bad_status"  # an answer that is not 2xx, redirects included
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    ADDRESS_REFUSED = "address_refused"  # by us: it leads where webhooks may not


class DisabledReason(StrEnum):
    """Why nothing is sent to a webhook."""

    OPERATOR = "operator"
    GONE = "gone"  # it answered 410


class Webhook(Table):
    """An address that is told of events. Its secret is derived from its id, and stored nowhere."""

    __tablename__ = "webhooks"

    url: Mapped[str]
    events: Mapped[list[Any]]
    model_id: Mapped[UUID | None] = mapped_column(ForeignKey("models.id"))
    signing: Mapped[Signing] = mapped_column(stored(Signing))
    key_number: Mapped[int] = mapped_column(default=1)
    previous_until: Mapped[datetime | None]  # the key before signs too, until then
    created_at: Mapped[datetime]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[DisabledReason | None] = mapped_column(stored(DisabledReason))
    # Whoever holds the lease sends, one message at a time: a slow receiver keeps one sender busy.
    fence: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]

    model: Mapped[Model | None] = relationship(lazy="raise")


class WebhookEvent(Table):
    """The outbox: a fact to be told, written in the transaction of the fact."""

    __tablename__ = "webhook_events"

    kind: Mapped[str]
    row_id: Mapped[UUID]
    at: Mapped[datetime]
    body: Mapped[str | None]  # the message, once somebody was found who wants it

    __table_args__ = (
        Index("ix_webhook_events_waiting", "at", postgresql_where=text("body IS NULL")),
        Index("ix_webhook_events_at", "at"),
    )


class WebhookDelivery(Table):
    """One message to one webhook, until it was taken or given up."""

    __tablename__ = "webhook_deliveries"

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event_id: Mapped[UUID] = mapped_column(ForeignKey("webhook_events.id", ondelete="CASCADE"))
    body: Mapped[str | None]  # what this webhook alone is told; else the event's own message
    state: Mapped[DeliveryState] = mapped_column(stored(DeliveryState))
    attempt: Mapped[int] = mapped_column(default=0)
    last_attempt: Mapped[int]  # after which it is given up
    next_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]

    event: Mapped[WebhookEvent] = relationship(lazy="raise")
    attempts: Mapped[list["WebhookAttempt"]] = relationship(
        lazy="raise", order_by="WebhookAttempt.number"
    )

    __table_args__ = (
        UniqueConstraint("event_id", "webhook_id"),
        Index(
            "ix_webhook_deliveries_pending",
            "webhook_id",
            "next_at",
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_webhook_deliveries_log", "webhook_id", "created_at", "id"),
    )


class WebhookAttempt(Base):
    """One try at one delivery; without an outcome while it runs, or if the sender died of it."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    outcome: Mapped[AttemptOutcome | None] = mapped_column(stored(AttemptOutcome))
    status: Mapped[int | None]
    seconds: Mapped[float | None]
