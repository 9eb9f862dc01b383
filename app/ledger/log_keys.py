"""States in the ledger itself which keys sign it, so that each key vouches for the one after it."""

import json
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.evidence import note
from app.evidence.signer import Signer
from app.ledger import entries
from app.ledger.log_tables import LedgerEntry, LedgerPayload

MACHINE = "ledger_key"


def announce(session: Session, signer: Signer, *, now: datetime) -> None:
    """Enter each key that signs, once.

    The first checkpoint of a new key covers the entry that names it; while the old key signs beside
    it, this is how the old one says that the new one is right.
    """
    vkeys = {row_of(vkey): vkey for vkey in map(note.vkey, reversed(signer.verifier_keys))}
    known = session.scalars(
        select(LedgerEntry.row_id).where(
            LedgerEntry.machine == MACHINE, LedgerEntry.row_id.in_(vkeys)
        )
    ).all()
    for row_id, vkey in vkeys.items():
        if row_id not in known:
            entries.append(
                session,
                "ledger_key.added",
                machine=MACHINE,
                row_id=row_id,
                revision=0,
                now=now,
                payload={"vkey": vkey},
            )
    session.flush()


def row_of(vkey: str) -> UUID:
    """The id by which a key's entry is found, and is the only one."""
    return UUID(bytes=sha256(vkey.encode()).digest()[:16])


def known(session: Session) -> list[str]:
    """Every key that was ever entered, as vkeys, the newest first."""
    payloads = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(LedgerEntry.machine == MACHINE)
        .order_by(LedgerEntry.id.desc())
    )
    return [str(json.loads(payload)["vkey"]) for payload in payloads]
