"""How a request's clock ran: its extension, the times it was put aside, its denial, and why."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Self
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.law import Law
from app.ledger.clock_tables import Extension
from app.ledger.log_tables import LedgerEntry
from app.ledger.reasons import DenialReason, ExtensionReason
from app.ledger.states import ErasureState, RequestState
from app.ledger.tables import DeletionRequest, Erasure, Job
from app.ledger.transitions import MACHINES
from app.reports.facts import Step, timelines, utc

DENIED = f"{MACHINES[DeletionRequest]}.{RequestState.DENIED}"


@dataclass(frozen=True)
class Extended:
    """The one time that a due date moved later."""

    reason: ExtensionReason
    """Why it takes longer."""
    extended_at: datetime
    """When that was decided."""
    due_before: datetime
    """By when it had to be answered at first."""
    notice: str | None
    """Where the text lies by which the person was told; null once it was shredded."""

    @classmethod
    def of(cls, row: Extension) -> Self:
        return cls(row.reason, utc(row.extended_at), utc(row.due_before), row.notice)


@dataclass(frozen=True)
class Held:
    """A time in which nothing was to be forgotten; the clock went on. Whole hours once shredded."""

    since: datetime
    """When it was put aside."""
    reason: str | None
    """Why, in words."""
    code: str | None
    """Why, as a code; null where there was nothing left to train a successor on."""
    until: datetime | None
    """When that ended; null while it goes on."""
    ended_because: str | None
    """Why it ended."""


@dataclass(frozen=True)
class Denied:
    """That a request was refused."""

    denied_at: datetime
    """When. The hour, once shredded."""
    reasons: tuple[DenialReason, ...]
    """Why, in the codes of the Data Rights Protocol."""
    notice: str | None
    """Where the text lies by which the person was told; null once it was shredded."""


@dataclass(frozen=True)
class Carried:
    """A request that a job carries out, and how its clock ran. None that is in a job is denied."""

    request: UUID
    """Its id."""
    law: Law
    """Under which law the person asked."""
    received_at: datetime
    """When the person asked."""
    due_at: datetime
    """By when it must be answered, an extension included."""
    extension: Extended | None
    """Why it is due later than at first."""
    holds: tuple[Held, ...]
    """The times it was put aside at this model, oldest first."""


def carried(session: Session, job: Job) -> tuple[Carried, ...]:
    """The requests of a job, the most urgent first; one that came to nothing gave them back."""
    erasures = session.scalars(
        select(Erasure)
        .join(DeletionRequest, DeletionRequest.id == Erasure.request_id)
        .where(Erasure.job_id == job.id)
        .order_by(DeletionRequest.due_at, DeletionRequest.id)
        .options(joinedload(Erasure.request))
    ).all()
    extended = extensions(session, [erasure.request_id for erasure in erasures])
    steps = timelines(session, erasures)
    return tuple(
        Carried(
            request=erasure.request_id,
            law=erasure.request.law,
            received_at=utc(erasure.request.received_at),
            due_at=utc(erasure.request.due_at),
            extension=extended.get(erasure.request_id),
            holds=holds(steps[erasure.id]),
        )
        for erasure in erasures
    )


def extensions(session: Session, requests: Sequence[UUID]) -> dict[UUID, Extended]:
    """By request: its extension, if it had one."""
    rows = session.scalars(select(Extension).where(Extension.request_id.in_(requests)))
    return {row.request_id: Extended.of(row) for row in rows}


def holds(steps: Sequence[Step]) -> tuple[Held, ...]:
    """The times that an erasure was put aside, oldest first, from its steps."""
    return tuple(
        held(step, after)
        for step, after in pairwise([*steps, None])
        if step is not None and step.state == ErasureState.ON_HOLD
    )


def held(step: Step, after: Step | None) -> Held:
    return Held(
        since=when(step),
        reason=said(step, "reason"),
        code=said(step, "code"),
        until=when(after) if after else None,
        ended_because=said(after, "reason") if after else None,
    )


def when(step: Step) -> datetime:
    return step.at or step.hour


def said(step: Step, name: str) -> str | None:
    fact = step.facts.get(name)
    return None if fact is None else str(fact)


def denial(session: Session, request: DeletionRequest) -> Denied | None:
    """The request's denial, if it was denied; its reasons are a list, which steps leave out."""
    entry = session.scalar(
        select(LedgerEntry)
        .where(
            LedgerEntry.machine == "deletion_request",  # by which there is an index
            LedgerEntry.row_id == request.id,
            LedgerEntry.kind == DENIED,
        )
        .options(joinedload(LedgerEntry.payload))
    )
    if entry is None:
        return None
    # The relationship says that there is a payload; shredding it is what makes that untrue.
    stored: Any = entry.payload
    facts = json.loads(stored.payload) if stored else {"at": entry.hour.isoformat()}
    return Denied(
        denied_at=utc(datetime.fromisoformat(facts["at"])),
        reasons=tuple(DenialReason(code) for code in facts.get("codes", ())),
        notice=facts.get("notice"),
    )
