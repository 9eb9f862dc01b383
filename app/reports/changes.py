"""How models changed: every version that was published, withdrawn or destroyed, and why."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased, joinedload

from app.ledger import job_sizes
from app.ledger.log_tables import LedgerEntry, LedgerLeaf
from app.ledger.reasons import WITHDRAWAL_WORDS, WithdrawalReason
from app.ledger.states import VersionState
from app.ledger.tables import Job, Model, ModelVersion
from app.ledger.transitions import MACHINES
from app.reports.facts import utc
from app.reports.numbers import number

MACHINE = MACHINES[ModelVersion]
TOLD = (VersionState.PUBLISHED, VersionState.WITHDRAWN, VersionState.PURGED)
HOUR = timedelta(hours=1)
MADE_ELSEWHERE = {
    "trained": "The model's first version, trained on its dataset.",
    "uploaded": "Trained elsewhere and registered with the list of its samples.",
}
OVER = "The time of grace after its withdrawal was over"
DESTROYED = f"{OVER}; its weights were destroyed."
KEPT = f"{OVER}; its weights are kept, for another version has the same."


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
    index: int | None
    """The ledger entry's index in the Merkle tree; null until the clerk has entered it there."""


@dataclass(frozen=True)
class Found:
    """An entry, and what it is about."""

    entry: LedgerEntry
    index: int | None
    version: ModelVersion
    model: str
    job: Job | None
    successor: int | None


def changes(session: Session, begins: datetime, ends: datetime) -> tuple[Change, ...]:
    """Those from `begins` on, before `ends`; oldest first."""
    return tuple(
        change
        for found in steps(session, begins, ends)
        if begins <= (change := told(found)).at < ends
    )


def steps(session: Session, begins: datetime, ends: datetime) -> Iterator[Found]:
    """The entries of the hours in question; the first hour may begin before the period does."""
    successor = aliased(ModelVersion)
    rows = session.execute(
        select(LedgerEntry, LedgerLeaf.index, ModelVersion, Model.name, Job, successor.number)
        .join(ModelVersion, ModelVersion.id == LedgerEntry.row_id)
        .join(Model, Model.id == ModelVersion.model_id)
        .outerjoin(Job, Job.id == ModelVersion.job_id)
        .outerjoin(successor, successor.id == ModelVersion.successor_id)
        .outerjoin(LedgerLeaf, LedgerLeaf.entry_id == LedgerEntry.id)
        .where(
            LedgerEntry.kind.in_([f"{MACHINE}.{state}" for state in TOLD]),
            LedgerEntry.hour > begins - HOUR,
            LedgerEntry.hour < ends,
        )
        .order_by(LedgerEntry.id)
        .options(joinedload(LedgerEntry.payload))
    )
    return (Found(*row) for row in rows)


def told(found: Found) -> Change:
    """One step, with what made the version and why it took it."""
    version, job = found.version, found.job
    facts: dict[str, Any] = json.loads(found.entry.payload.payload)
    state = VersionState(facts["state"])
    published = state is VersionState.PUBLISHED
    return Change(
        at=utc(datetime.fromisoformat(facts["at"])),
        model=found.model,
        version=version.number,
        change=state,
        made_by=version.made_by,
        reasons=reasons(found, facts, state),
        verdict=(job.audit or {}).get("verdict") if job and published else None,
        weights_sha256=version.weights_digest,
        index=found.index,
    )


def reasons(found: Found, facts: Mapping[str, Any], state: VersionState) -> tuple[str, ...]:
    """Why a version became what it became: by its entry, or by its job's decision."""
    match state:
        case VersionState.PURGED:
            return (KEPT if facts.get("weights_kept_for_another_version") else DESTROYED,)
        case VersionState.WITHDRAWN:
            # Entries did not always say why; there was no other reason then.
            why = WithdrawalReason(facts.get("reason", WithdrawalReason.FORGOTTEN_SAMPLES))
            taken = f"version {found.successor} took its place"
            return (f"Taken out of use because {WITHDRAWAL_WORDS[why]}; {taken}.",)
    if found.version.made_by in MADE_ELSEWHERE:
        return (MADE_ELSEWHERE[found.version.made_by],)
    assert found.job is not None
    decision = found.job.decision or {}
    return (
        f"{counted(job_sizes.to_forget(found.job))} had to be forgotten.",
        *decision.get("reasons", ()),
    )


def counted(samples: int) -> str:
    return "1 sample" if samples == 1 else f"{number(samples)} samples"
