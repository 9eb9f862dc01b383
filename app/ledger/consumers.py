"""Downstream consumers of a model: registered, told of withdrawals, and held to an answer."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session, joinedload

from app.errors import Conflict, NameTaken, NotFound
from app.evidence.canonical import Json
from app.ledger import entries
from app.ledger.consumer_tables import Acknowledgement, Consumer
from app.ledger.tables import Model, ModelVersion
from app.ledger.uniqueness import or_refuse
from app.ledger.webhook_tables import Webhook


class UnknownConsumer(NotFound):
    """The model has no such consumer."""

    code = "unknown_consumer"


class NothingToAcknowledge(Conflict):
    """The consumer owes no word about this version."""

    code = "nothing_to_acknowledge"


def register(
    session: Session,
    line: Model,
    name: str,
    *,
    contact: str,
    webhook: Webhook | None,
    now: datetime,
) -> Consumer:
    """Note that somebody uses this model; they are to answer for each withdrawal from now on."""
    consumer = Consumer(
        model_id=line.id,
        name=name,
        contact=contact,
        webhook_id=webhook.id if webhook else None,
        registered_at=now,
    )
    taken = NameTaken(f"the model {line.name!r} has a consumer called {name!r} already")
    with or_refuse(session, taken):
        session.add(consumer)
    state(session, line, consumer, "registered", now=now)
    return consumer


def get(session: Session, line: Model, name: str, *, lock: bool = False) -> Consumer:
    """The model's consumer of this name."""
    query = select(Consumer).where(
        Consumer.model_id == line.id, Consumer.name == name, Consumer.removed_at.is_(None)
    )
    consumer = session.scalar(query.with_for_update() if lock else query)
    if consumer is None:
        raise UnknownConsumer(f"the model {line.name!r} has no consumer called {name!r}")
    return consumer


def listed(session: Session, line: Model) -> Sequence[Consumer]:
    """The model's consumers by name."""
    return session.scalars(
        select(Consumer)
        .where(Consumer.model_id == line.id, Consumer.removed_at.is_(None))
        .order_by(Consumer.name)
    ).all()


def remove(session: Session, line: Model, name: str, *, now: datetime) -> None:
    """Expect nothing more of a consumer; what it acknowledged, or did not, stays on the record."""
    consumer = get(session, line, name, lock=True)
    consumer.removed_at = now
    state(session, line, consumer, "removed", now=now)
    session.flush()


def owe(session: Session, version: ModelVersion, *, now: datetime) -> None:
    """Have every consumer answer for this version; in the transaction that withdraws it."""
    users = session.scalars(
        select(Consumer.id)
        .where(Consumer.model_id == version.model_id, Consumer.removed_at.is_(None))
        .with_for_update(key_share=True)  # one that is just being removed is not asked
    )
    for consumer_id in users:
        session.add(Acknowledgement(version_id=version.id, consumer_id=consumer_id, owed_since=now))


def webhooks_owing(session: Session, version_id: UUID) -> set[UUID]:
    """The webhooks of those who are to answer for this version."""
    found = session.scalars(
        select(Consumer.webhook_id)
        .join(Acknowledgement, Acknowledgement.consumer_id == Consumer.id)
        .where(Acknowledgement.version_id == version_id, Consumer.webhook_id.is_not(None))
    )
    return {webhook_id for webhook_id in found if webhook_id is not None}


def note_told(session: Session, webhook_id: UUID, version_id: UUID, *, now: datetime) -> None:
    """Write down that a webhook took the news of a withdrawal for its consumers."""
    theirs = select(Consumer.id).where(Consumer.webhook_id == webhook_id)
    session.execute(
        update(Acknowledgement)
        .where(
            Acknowledgement.version_id == version_id,
            Acknowledgement.consumer_id.in_(theirs),
            Acknowledgement.notified_at.is_(None),
        )
        .values(notified_at=now)
    )


def acknowledge(
    session: Session, line: Model, version: ModelVersion, name: str, *, done: str, now: datetime
) -> Acknowledgement:
    """Write down what a consumer did about a withdrawn version; its first word stands."""
    consumer = get(session, line, name)
    owed = session.scalar(
        select(Acknowledgement)
        .where(Acknowledgement.version_id == version.id, Acknowledgement.consumer_id == consumer.id)
        .options(joinedload(Acknowledgement.consumer))
        .with_for_update(of=Acknowledgement)
    )
    if owed is None:
        raise NothingToAcknowledge(
            f"{name!r} owes no word about version {version.number}: it is in use, or was withdrawn "
            "before the consumer was registered"
        )
    if owed.acknowledged_at is None:
        owed.acknowledged_at, owed.done = now, done
        state(session, line, consumer, "acknowledged", now=now, version=version.number, done=done)
    return owed


def owed_for(session: Session, version_ids: Iterable[UUID]) -> Sequence[Acknowledgement]:
    """What was owed for these versions, whether it was given or not, by consumer and version."""
    return session.scalars(
        select(Acknowledgement)
        .join(Consumer, Consumer.id == Acknowledgement.consumer_id)
        .where(Acknowledgement.version_id.in_(version_ids))
        .options(joinedload(Acknowledgement.consumer), joinedload(Acknowledgement.version))
        .order_by(Consumer.name, Consumer.registered_at, Acknowledgement.owed_since)
    ).all()


def overdue(owed: Acknowledgement, *, before: datetime) -> bool:
    """Whether somebody of whom it is still expected has said nothing since this moment."""
    return (
        owed.acknowledged_at is None
        and owed.consumer.removed_at is None
        and owed.owed_since <= before
    )


def outstanding(session: Session, consumers: Iterable[Consumer]) -> Sequence[Acknowledgement]:
    """What these consumers still owe, oldest first."""
    return session.scalars(
        select(Acknowledgement)
        .where(
            Acknowledgement.consumer_id.in_([consumer.id for consumer in consumers]),
            Acknowledgement.acknowledged_at.is_(None),
        )
        .options(joinedload(Acknowledgement.version), joinedload(Acknowledgement.consumer))
        .order_by(Acknowledgement.owed_since)
    ).all()


def state(
    session: Session, line: Model, consumer: Consumer, what: str, *, now: datetime, **facts: Json
) -> None:
    """The entry on a consumer. Its contact is left out: it names people."""
    entries.append(
        session,
        f"consumer.{what}",
        machine="consumer",
        row_id=consumer.id,
        now=now,
        payload={
            "id": str(consumer.id),
            "name": consumer.name,
            "model": line.name,
            "at": now.isoformat(),
            **facts,
        },
    )
