"""Webhooks: who is told of what; what an operator does to one is an entry in the ledger."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.errors import IllegalTransition, NotFound
from app.evidence.canonical import Json
from app.ledger import entries
from app.ledger.outbox import EventType
from app.ledger.tables import Model
from app.ledger.webhook_tables import DisabledReason, Signing, Webhook


class UnknownWebhook(NotFound):
    """No webhook has that id."""

    code = "unknown_webhook"


def create(
    session: Session,
    url: str,
    *,
    events: Iterable[EventType],
    model: Model | None,
    signing: Signing,
    now: datetime,
) -> Webhook:
    """Tell this address of these events from now on, of one model only if one is given."""
    webhook = Webhook(
        url=url, events=sorted(events), model=model, signing=signing, key_number=1, created_at=now
    )
    session.add(webhook)
    session.flush()
    # The path of a URL may be a secret; the host says enough.
    told: dict[str, Json] = {
        "host": urlsplit(url).hostname,
        "events": list(webhook.events),
        "model": model.name if model else None,
        "signing": signing.value,
    }
    state(session, webhook, "created", now=now, **told)
    return webhook


def get(session: Session, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """The webhook of this id."""
    query = select(Webhook).where(Webhook.id == webhook_id).options(joinedload(Webhook.model))
    if lock:
        query = query.with_for_update(of=Webhook).execution_options(populate_existing=True)
    webhook = session.scalar(query)
    if webhook is None:
        raise UnknownWebhook("there is no webhook with this id")
    return webhook


def listed(session: Session) -> Sequence[Webhook]:
    """All webhooks, oldest first."""
    return session.scalars(
        select(Webhook).options(joinedload(Webhook.model)).order_by(Webhook.created_at, Webhook.id)
    ).all()


def remove(session: Session, webhook: Webhook, *, now: datetime) -> None:
    """Forget a webhook and its log; the entry that it was there stays."""
    state(session, webhook, "removed", now=now)
    session.delete(webhook)
    session.flush()


def disable(session: Session, webhook: Webhook, *, reason: DisabledReason, now: datetime) -> None:
    """Send it nothing until it is enabled; what happens meanwhile waits for it."""
    if webhook.disabled_at is not None:
        raise IllegalTransition(f"the webhook is disabled already: {webhook.disabled_reason}")
    webhook.disabled_at, webhook.disabled_reason = now, reason
    state(session, webhook, "disabled", now=now, reason=reason.value)


def enable(session: Session, webhook: Webhook, *, now: datetime) -> None:
    """Send it what waits for it, and what is to come."""
    if webhook.disabled_at is None:
        raise IllegalTransition("the webhook is enabled")
    webhook.disabled_at = webhook.disabled_reason = None
    state(session, webhook, "enabled", now=now)


def rotate(session: Session, webhook: Webhook, *, overlap: timedelta, now: datetime) -> None:
    """Sign with a new key from now on, and with the old one beside it for a while."""
    if webhook.signing is Signing.OPENDSR:
        raise IllegalTransition("it is signed under the operator's certificate; renew that one")
    webhook.key_number += 1
    webhook.previous_until = now + overlap if overlap else None
    state(session, webhook, "rotated", now=now, key=webhook.key_number)


def key_numbers(webhook: Webhook, *, now: datetime) -> list[int]:
    """Of the keys that sign at this moment, the newest first."""
    newest = webhook.key_number
    overlaps = webhook.previous_until is not None and now < webhook.previous_until
    return [newest, newest - 1] if overlaps else [newest]


def state(session: Session, webhook: Webhook, what: str, *, now: datetime, **facts: Json) -> None:
    """The entry that says what was done to a webhook."""
    entries.append(
        session,
        f"webhook.{what}",
        machine="webhook",
        row_id=webhook.id,
        now=now,
        payload={"id": str(webhook.id), "at": now.isoformat(), **facts},
    )
