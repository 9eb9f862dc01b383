"""How models changed: every version that was published, withdrawn or destroyed, and why."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from app.ledger.log_tables import LedgerEntry
from app.ledger.states import VersionState
from app.ledger.tables import Job, Model, ModelVersion
from app.ledger.transitions import MACHINES
from app.reports.facts import utc

MACHINE = MACHINES[ModelVersion]
TOLD = (VersionState.PUBLISHED, VersionState.WITHDRAWN, VersionState.PURGED)
HOUR = timedelta(hours=1)
MADE_ELSEWHERE = {
    "trained": "The model's first version, trained on its dataset.",
    "uploaded": "Trained elsewhere and registered with the list of its samples.",
}
PURGED = "The time of grace after its withdrawal was over; its weights were destroyed."


@dataclass(frozen=True)
class Change:
    """One step of one version."""

    at: datetime
    """When, by the ledger."""
    model: str
    """The model's name."""
    version: int
    """1, 2, 3, … within its model."""
    change: VersionState
    """What it became: published, withdrawn, purged."""
    made_by: str
    """trained, uploaded, or an unlearning route."""
    reasons: tuple[str, ...]
    """Why."""
    verdict: str | None
    """Of a version that was published after an audit: pass, escalate, inconclusive."""
    weights_sha256: str
    """SHA-256 of its safetensors file."""
    entry: int
    """The ledger entry's number in the database; the index in the tree is another."""


def changes(session: Session, begins: datetime, ends: datetime) -> tuple[Change, ...]:
    """Those from `begins` on, before `ends`; oldest first."""
    return tuple(
        change
        for entry in steps(session, begins, ends)
        if begins <= (change := told(session, entry)).at < ends
    )


def steps(session: Session, begins: datetime, ends: datetime) -> Iterator[LedgerEntry]:
    """The entries of the hours in question; the first hour may begin before the period does."""
    return iter(
        session.scalars(
            select(LedgerEntry)
            .where(
                LedgerEntry.kind.in_([f"{MACHINE}.{state}" for state in TOLD]),
                LedgerEntry.hour > begins - HOUR,
                LedgerEntry.hour < ends,
            )
            .order_by(LedgerEntry.id)
            .options(joinedload(LedgerEntry.payload))
        )
    )


def told(session: Session, entry: LedgerEntry) -> Change:
    """One step, with what made the version and why it took it."""
    version = session.get_one(ModelVersion, entry.row_id)
    job = session.get_one(Job, version.job_id) if version.job_id else None
    facts: dict[str, Any] = json.loads(entry.payload.payload)
    state = VersionState(facts["state"])
    published = state is VersionState.PUBLISHED
    return Change(
        at=utc(datetime.fromisoformat(facts["at"])),
        model=session.get_one(Model, version.model_id).name,
        version=version.number,
        change=state,
        made_by=version.made_by,
        reasons=reasons(session, version, job, state),
        verdict=(job.audit or {}).get("verdict") if job and published else None,
        weights_sha256=version.weights_digest,
        entry=entry.id,
    )


def reasons(
    session: Session, version: ModelVersion, job: Job | None, state: VersionState
) -> tuple[str, ...]:
    """Why a version became what it became."""
    if state is VersionState.PURGED:
        return (PURGED,)
    if state is VersionState.WITHDRAWN:
        successor = session.get_one(ModelVersion, version.successor_id)
        return (
            "It was trained on samples that had to be forgotten; version "
            f"{successor.number} took its place.",
        )
    if version.made_by in MADE_ELSEWHERE:
        return (MADE_ELSEWHERE[version.made_by],)
    assert job is not None
    return decided(job)


def decided(job: Job) -> tuple[str, ...]:
    """Why there had to be a new version, and why it was made in this way."""
    assert job.decision is not None
    return ("Samples had to be forgotten.", *job.decision.get("reasons", ()))
