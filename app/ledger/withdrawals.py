"""Lists what was withdrawn, from the ledger's own entries, and signs the list whenever it changes.

It is signed anew after a while even so: whoever holds one can then tell how old it may be.
"""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, aliased

from app.errors import NoCheckpoint
from app.evidence import dsse, withdrawals
from app.evidence.canonical import canonical
from app.evidence.checkpoint import Checkpoint
from app.evidence.signer import Signer
from app.evidence.withdrawals import Version, Withdrawal, WithdrawalList
from app.ledger import signature_tables, tree
from app.ledger.log_tables import LedgerEntry, LedgerLeaf, LedgerPayload
from app.ledger.reasons import WithdrawalReason
from app.ledger.states import VersionState
from app.ledger.tables import Model, ModelVersion
from app.ledger.transitions import MACHINES

LASTS = timedelta(days=1)
NOT_IN_USE = (VersionState.WITHDRAWN, VersionState.PURGED)
Signed = signature_tables.WithdrawalList


def sign(session: Session, signer: Signer, *, now: datetime) -> None:
    """Sign the list of what the ledger holds, unless the one that was signed last still says it."""
    head, last = tree.newest(session), newest(session)
    if head is None:
        return
    told = last.changes if last is not None and holds(last, signer, now=now) else None
    if told == changed(session):
        return
    withdrawn = listed(session, head.size)
    changes = len(withdrawn) + sum(each.purged_at is not None for each in withdrawn)
    if told == changes:
        return  # what has changed since waits for its index in the ledger
    ledger = Checkpoint(signer.origin, head.size, head.root)
    statement = withdrawals.encode(WithdrawalList(ledger, now, withdrawn))
    session.execute(delete(Signed))
    session.add(
        Signed(
            size=head.size,
            changes=changes,
            key_ids=list(signer.key_ids),
            envelope=canonical(dsse.to_json(signer.statement(statement))),
            signed_at=now,
        )
    )
    session.flush()


def holds(last: Signed, signer: Signer, *, now: datetime) -> bool:
    """Whether a list is by the keys in use, and not old."""
    return last.key_ids == list(signer.key_ids) and now - last.signed_at < LASTS


def changed(session: Session) -> int:
    """How many withdrawals and purges there were: cheap to count, and never fewer."""
    purged = func.count().filter(ModelVersion.state == VersionState.PURGED)
    query = select(func.count() + purged).where(ModelVersion.state.in_(NOT_IN_USE))
    return session.scalars(query).one()


def listed(session: Session, size: int) -> tuple[Withdrawal, ...]:
    """Every withdrawal among the first entries of the ledger, in their order."""
    purged = {row_id: said["at"] for row_id, _, said in entered(session, VersionState.PURGED, size)}
    facts = facts_of(session)
    return tuple(
        withdrawal(facts[row_id], index, said, purged.get(row_id))
        for row_id, index, said in entered(session, VersionState.WITHDRAWN, size)
    )


def entered(
    session: Session, state: VersionState, size: int
) -> Iterator[tuple[UUID, int, dict[str, Any]]]:
    """Version, index and payload of each entry that says that a version came into a state."""
    machine = MACHINES[ModelVersion]
    rows = session.execute(
        select(LedgerEntry.row_id, LedgerLeaf.index, LedgerPayload.payload)
        .join(LedgerLeaf, LedgerLeaf.entry_id == LedgerEntry.id)
        .join(LedgerPayload, LedgerPayload.entry_id == LedgerEntry.id)
        .where(
            LedgerEntry.machine == machine,
            LedgerEntry.kind == f"{machine}.{state}",
            LedgerLeaf.index < size,
        )
        .order_by(LedgerLeaf.index)
    )
    for row_id, index, payload in rows:
        yield row_id, index, json.loads(payload)


def facts_of(session: Session) -> dict[UUID, Any]:
    """By version: its model, number and weights, and its successor's; no training set is read."""
    successor = aliased(ModelVersion)
    rows = session.execute(
        select(
            ModelVersion.id,
            Model.name,
            ModelVersion.number,
            ModelVersion.weights_digest,
            successor.number.label("next_number"),
            successor.weights_digest.label("next_digest"),
        )
        .join(Model, Model.id == ModelVersion.model_id)
        .outerjoin(successor, successor.id == ModelVersion.successor_id)
        .where(ModelVersion.state.in_(NOT_IN_USE))
    )
    return {row.id: row for row in rows}


def withdrawal(facts: Any, index: int, said: dict[str, Any], purged_at: str | None) -> Withdrawal:
    """One member of the list, from its rows and its entry."""
    return Withdrawal(
        model=facts.name,
        version=Version(facts.number, facts.weights_digest),
        withdrawn_at=datetime.fromisoformat(said["at"]),
        # Entries did not always say it; there was no other reason then.
        reason=said.get("reason", WithdrawalReason.FORGOTTEN_SAMPLES.value),
        successor=facts.next_number and Version(facts.next_number, facts.next_digest),
        entry=index,
        purged_at=None if purged_at is None else datetime.fromisoformat(purged_at),
    )


def newest(session: Session) -> Signed | None:
    return session.scalar(select(Signed).order_by(Signed.size.desc()).limit(1))


def read(session: Session) -> Signed:
    """The signed list, as it is given out."""
    found = newest(session)
    if found is None:
        raise NoCheckpoint("no list of withdrawn versions is signed yet; is the clerk running?")
    return found
