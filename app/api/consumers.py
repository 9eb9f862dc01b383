"""Downstream consumers: who uses a model, is told of withdrawals, and says what they did."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api import repeats
from app.api.deps import NowDep, SessionDep, SettingsDep
from app.api.names import Name
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.errors import BodyTooLarge, NameTaken, UnknownModel, UnknownVersion
from app.ledger import consumers, model_lines, versions, webhooks
from app.ledger.consumer_tables import Acknowledgement, Consumer
from app.ledger.consumers import NothingToAcknowledge, UnknownConsumer
from app.ledger.idempotency import Answer
from app.ledger.webhooks import UnknownWebhook

router = APIRouter(prefix="/v1/models/{name}", tags=["consumers"])


class ConsumerCreate(BaseModel):
    """Somebody who uses a model's versions outside of this service."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    contact: str = Field(
        min_length=1,
        max_length=200,
        description="How to reach them. Kept in this list only, not in the ledger.",
        examples=["pricing-team@example.com"],
    )
    webhook: UUID | None = Field(
        None,
        description="The webhook that is told of withdrawals of this model for them, whatever "
        "events it was made for.",
    )


class OwedRead(BaseModel):
    """A withdrawn version about which a word is owed."""

    version: int = Field(description="Its number.")
    since: datetime = Field(description="When it was withdrawn.")
    overdue: bool = Field(description="Whether that is longer ago than LACUNA_ACKNOWLEDGE_DAYS.")


class ConsumerRead(BaseModel):
    """A registered consumer, and what it owes."""

    name: str = Field(description="Its name within the model.")
    contact: str = Field(description="How to reach them.")
    webhook: UUID | None = Field(description="The webhook that is told for them.")
    registered_at: datetime = Field(description="When it was registered.")
    owes: list[OwedRead] = Field(description="Withdrawn versions not acknowledged, oldest first.")


class Acknowledge(BaseModel):
    """What a consumer did about a withdrawn version."""

    model_config = ConfigDict(extra="forbid")

    consumer: str = Field(description="Who says so.", examples=["pricing"])
    done: str = Field(
        min_length=1,
        max_length=500,
        description="What was done. Goes into the ledger; name no person in it.",
        examples=["moved to version 2, deleted our copy of version 1"],
    )


class AcknowledgementRead(BaseModel):
    """How it stands with one consumer about one version."""

    consumer: str = Field(description="Who is to say what they did.")
    owed_since: datetime = Field(description="When the version was withdrawn.")
    notified_at: datetime | None = Field(
        description="When their webhook took the news; null also if they have none."
    )
    acknowledged_at: datetime | None = Field(description="When they said what they did.")
    done: str | None = Field(description="What they said.")
    overdue: bool = Field(description="Whether they have not, for longer than they have time.")
    removed_at: datetime | None = Field(
        description="When the consumer was removed; nothing more is expected of it then."
    )

    @classmethod
    def of(cls, owed: Acknowledgement, *, overdue: bool) -> Self:
        return cls(
            consumer=owed.consumer.name,
            owed_since=owed.owed_since,
            notified_at=owed.notified_at,
            acknowledged_at=owed.acknowledged_at,
            done=owed.done,
            overdue=overdue,
            removed_at=owed.consumer.removed_at,
        )


@router.post(
    "/consumers",
    status_code=201,
    summary="Register a consumer",
    response_model=ConsumerRead,
    responses=refusals(
        UnknownModel, UnknownWebhook, NameTaken, *repeats.REFUSALS, Malformed, BodyTooLarge
    ),
)
def register_consumer(
    name: str, body: ConsumerCreate, session: SessionDep, again: RepeatsDep, now: NowDep
) -> Response:
    """Note that somebody uses this model: from now on they have to answer for each withdrawal."""

    def produce() -> Answer:
        consumer = consumers.register(
            session,
            model_lines.get(session, name),
            body.name,
            contact=body.contact,
            webhook=webhooks.get(session, body.webhook) if body.webhook else None,
            now=now,
        )
        return 201, told(consumer, []).model_dump(mode="json")

    return again.once(body.model_dump(mode="json"), produce)


@router.get("/consumers", summary="List consumers", responses=refusals(UnknownModel))
def list_consumers(
    name: str, session: SessionDep, settings: SettingsDep, now: NowDep
) -> list[ConsumerRead]:
    """Who uses this model, and about which withdrawn versions they still have to say something."""
    found = consumers.listed(session, model_lines.get(session, name))
    before = now - timedelta(days=settings.acknowledge_days)
    owed = consumers.outstanding(session, found)
    return [
        told(
            consumer,
            [
                OwedRead(
                    version=each.version.number,
                    since=each.owed_since,
                    overdue=consumers.overdue(each, before=before),
                )
                for each in owed
                if each.consumer_id == consumer.id
            ],
        )
        for consumer in found
    ]


@router.delete(
    "/consumers/{consumer}",
    status_code=204,
    summary="Remove a consumer",
    responses=refusals(UnknownModel, UnknownConsumer),
)
def remove_consumer(name: str, consumer: str, session: SessionDep, now: NowDep) -> None:
    """Expect nothing more of a consumer; what it acknowledged, or did not, stays on the record."""
    consumers.remove(session, model_lines.get(session, name), consumer, now=now)


@router.get(
    "/versions/{number}/acknowledgements",
    summary="List acknowledgements",
    responses=refusals(UnknownModel, UnknownVersion, Malformed),
)
def list_acknowledgements(
    name: str, number: int, session: SessionDep, settings: SettingsDep, now: NowDep
) -> list[AcknowledgementRead]:
    """Who has said what they did about a withdrawn version, who has not, and since when."""
    version = versions.get(session, model_lines.get(session, name), number)
    before = now - timedelta(days=settings.acknowledge_days)
    return [
        AcknowledgementRead.of(owed, overdue=consumers.overdue(owed, before=before))
        for owed in consumers.owed_for(session, [version.id])
    ]


@router.post(
    "/versions/{number}/acknowledgements",
    summary="Acknowledge a withdrawal",
    response_model=AcknowledgementRead,
    responses=refusals(
        UnknownModel,
        UnknownVersion,
        UnknownConsumer,
        NothingToAcknowledge,
        *repeats.REFUSALS,
        Malformed,
        BodyTooLarge,
    ),
)
def acknowledge(
    name: str,
    number: int,
    body: Acknowledge,
    session: SessionDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Say what a consumer did about a withdrawn version. Said twice, the first word stands."""

    def produce() -> Answer:
        line = model_lines.get(session, name)
        version = versions.get(session, line, number)
        owed = consumers.acknowledge(session, line, version, body.consumer, done=body.done, now=now)
        return 200, AcknowledgementRead.of(owed, overdue=False).model_dump(mode="json")

    return again.once(body.model_dump(mode="json"), produce)


def told(consumer: Consumer, owes: Sequence[OwedRead]) -> ConsumerRead:
    """A consumer as it is told."""
    return ConsumerRead(
        name=consumer.name,
        contact=consumer.contact,
        webhook=consumer.webhook_id,
        registered_at=consumer.registered_at,
        owes=list(owes),
    )
