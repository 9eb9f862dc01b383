"""Facts that every report tells: which versions, which steps, and when.

A finished report keeps its digest until something is learnt or forgotten afterwards: a consumer
or the owner of a derived version confirms what they did, or what entries say of a person is
shredded after its time. Then it is another report, with another digest.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.ledger import consumers
from app.ledger.consumer_tables import Acknowledgement
from app.ledger.log_tables import LedgerEntry, LedgerLeaf, LedgerPayload
from app.ledger.policy import Policy
from app.ledger.reasons import WithdrawalReason
from app.ledger.tables import Model, ModelVersion
from app.ledger.transitions import MACHINES, Stateful

TOLD_ELSEWHERE = ("id", "state", "at")


@dataclass(frozen=True)
class Version:
    """A model version, as it was made."""

    id: UUID
    """Its id."""
    number: int
    """1, 2, 3, … within its model."""
    made_by: str
    """trained, uploaded, or an unlearning route."""
    made_at: datetime
    """When it was published."""
    weights_sha256: str
    """SHA-256 of its safetensors file."""
    training_set_size: int
    """Samples that it has seen and not forgotten."""
    training_set_sha256: str
    """SHA-256 of the ascending ordinals of its training set, 4 bytes each."""

    @classmethod
    def of(cls, version: ModelVersion) -> Self:
        return cls(
            id=version.id,
            number=version.number,
            made_by=version.made_by,
            made_at=utc(version.created_at),
            weights_sha256=version.weights_digest,
            training_set_size=len(version.training_set),
            training_set_sha256=version.training_set_digest,
        )


@dataclass(frozen=True)
class Consumers:
    """Those outside of this service who used a version when it was withdrawn."""

    registered: int
    """How many they were."""
    notified: int
    """How many of them were told by a webhook, and took the message."""
    acknowledged: int
    """How many have said what they did about it."""


@dataclass(frozen=True)
class Withdrawn:
    """A version that was taken out of use."""

    number: int
    """1, 2, 3, … within its model."""
    withdrawn_at: datetime
    """When it was taken out of use."""
    purged_after: datetime
    """When its weights may be destroyed."""
    consumers: Consumers
    """Those who used it outside of this service."""


@dataclass(frozen=True)
class Step:
    """One change of state, as its ledger entry states it."""

    index: int | None
    """The ledger entry's index in the Merkle tree; null until the clerk has entered it there."""
    state: str
    """The state that was entered."""
    hour: datetime
    """The hour in which it was; it stays when the payload is shredded."""
    at: datetime | None
    """When exactly; null once the entry's payload was shredded."""
    facts: Mapping[str, str | int | float | bool | None]
    """What else the entry says in single words and numbers."""


def withdrawn_for(session: Session, line: Model, successor: ModelVersion) -> tuple[Withdrawn, ...]:
    """The versions that this one took the place of, because they had seen what it has not."""
    grace = timedelta(seconds=Policy.of(line.policy).purge_after_seconds)
    rows = session.scalars(
        select(ModelVersion)
        .where(
            ModelVersion.successor_id == successor.id,
            ModelVersion.withdrawal_reason == WithdrawalReason.FORGOTTEN_SAMPLES,
        )
        .order_by(ModelVersion.number)
    ).all()
    owed = consumers.owed_for(session, [row.id for row in rows])
    return tuple(
        Withdrawn(
            number=row.number,
            withdrawn_at=utc(row.withdrawn_at),
            purged_after=utc(row.withdrawn_at + grace),
            consumers=counted([each for each in owed if each.version_id == row.id]),
        )
        for row in rows
        if row.withdrawn_at is not None
    )


def counted(owed: Sequence[Acknowledgement]) -> Consumers:
    """How far the news of one withdrawal has come."""
    return Consumers(
        registered=len(owed),
        notified=sum(each.notified_at is not None for each in owed),
        acknowledged=sum(each.acknowledged_at is not None for each in owed),
    )


def timeline(session: Session, row: Stateful) -> tuple[Step, ...]:
    """Every step of a row, oldest first."""
    return timelines(session, [row])[row.id]


def timelines(session: Session, rows: Iterable[Stateful]) -> Mapping[UUID, tuple[Step, ...]]:
    """By row, all of one kind: every step of it, oldest first."""
    kinds = {row.id: MACHINES[type(row)] for row in rows}
    found = session.execute(
        select(LedgerEntry, LedgerLeaf.index)
        .outerjoin(LedgerLeaf, LedgerLeaf.entry_id == LedgerEntry.id)
        .where(LedgerEntry.machine.in_(set(kinds.values())), LedgerEntry.row_id.in_(kinds))
        .order_by(LedgerEntry.revision)
        .options(joinedload(LedgerEntry.payload))
    )
    steps: defaultdict[UUID, tuple[Step, ...]] = defaultdict(tuple)
    for entry, index in found:
        steps[entry.row_id] += (step(entry, index),)
    return steps


def step(entry: LedgerEntry, index: int | None) -> Step:
    # The relationship says that there is a payload; shredding it is what makes that untrue.
    stored: Any = entry.payload
    payload = json.loads(stored.payload) if stored else {}
    return Step(
        index=index,
        state=entry.kind.partition(".")[2],
        hour=utc(entry.hour),
        at=utc(datetime.fromisoformat(payload["at"])) if payload else None,
        facts={
            name: fact
            for name, fact in payload.items()
            if name not in TOLD_ELSEWHERE and not isinstance(fact, list | dict)
        },
    )


def destroyed(session: Session, row: Stateful) -> tuple[str, ...]:
    """The digests of all networks that a row's entries say were destroyed, in their order."""
    payloads = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(LedgerEntry.machine == MACHINES[type(row)], LedgerEntry.row_id == row.id)
        .order_by(LedgerEntry.revision)
    )
    return tuple(digest for each in payloads for digest in json.loads(each).get("destroyed", ()))


def entered(steps: Iterable[Step]) -> bool:
    """Whether all of them have their place in the tree, so that no index is still to come."""
    return all(step.index is not None for step in steps)


def utc(moment: datetime) -> datetime:
    """The same moment in UTC: a report reads the same whatever zone the database speaks in."""
    return moment.astimezone(UTC)
