"""Facts that every report tells: which versions, which steps, and when.

Only what does not change once it has happened, so that a finished report keeps its digest.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.ledger.log_tables import LedgerEntry
from app.ledger.policy import Policy
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
class Withdrawn:
    """A version that was taken out of use."""

    number: int
    """1, 2, 3, … within its model."""
    withdrawn_at: datetime
    """When it was taken out of use."""
    purged_after: datetime
    """When its weights may be destroyed."""


@dataclass(frozen=True)
class Step:
    """One change of state, as its ledger entry states it."""

    entry: int
    """The ledger entry's number in the database; the index in the tree is another."""
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
        .where(ModelVersion.successor_id == successor.id)
        .order_by(ModelVersion.number)
    )
    return tuple(
        Withdrawn(row.number, utc(row.withdrawn_at), utc(row.withdrawn_at + grace))
        for row in rows
        if row.withdrawn_at is not None
    )


def timeline(session: Session, row: Stateful) -> tuple[Step, ...]:
    """Every step of a row, oldest first."""
    entries = session.scalars(
        select(LedgerEntry)
        .where(LedgerEntry.machine == MACHINES[type(row)], LedgerEntry.row_id == row.id)
        .order_by(LedgerEntry.revision)
        .options(joinedload(LedgerEntry.payload))
    )
    return tuple(step(entry) for entry in entries)


def step(entry: LedgerEntry) -> Step:
    # The relationship says that there is a payload; shredding it is what makes that untrue.
    stored: Any = entry.payload
    payload = json.loads(stored.payload) if stored else {}
    return Step(
        entry=entry.id,
        state=entry.kind.partition(".")[2],
        hour=utc(entry.hour),
        at=utc(datetime.fromisoformat(payload["at"])) if payload else None,
        facts={
            name: fact
            for name, fact in payload.items()
            if name not in TOLD_ELSEWHERE and not isinstance(fact, list | dict)
        },
    )


def utc(moment: datetime) -> datetime:
    """The same moment in UTC: a report reads the same whatever zone the database speaks in."""
    return moment.astimezone(UTC)
