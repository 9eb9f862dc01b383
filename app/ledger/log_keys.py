"""States in the ledger itself which keys sign it, so that each key vouches for the one after it."""

import json
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.evidence import note
from app.evidence.canonical import Json
from app.evidence.signer import Signer
from app.ledger import entries
from app.ledger.log_tables import LedgerEntry, LedgerPayload

MACHINE = "ledger_key"


def announce(session: Session, signer: Signer, *, now: datetime) -> None:
    """Enter each key that signs, once.

    The first checkpoint of a new key covers the entry that names it; while the old key signs beside
    it, this is how the old one says that the new one is right.
    """
    vkeys = [note.vkey(key) for key in reversed(signer.verifier_keys)]
    add(session, MACHINE, {row_of(vkey): {"vkey": vkey} for vkey in vkeys}, now=now)


def add(
    session: Session, machine: str, keys: Mapping[UUID, dict[str, Json]], *, now: datetime
) -> None:
    """Enter those of these keys that are not entered yet, in this order."""
    known = session.scalars(
        select(LedgerEntry.row_id).where(
            LedgerEntry.machine == machine, LedgerEntry.row_id.in_(keys)
        )
    ).all()
    for row_id, facts in keys.items():
        if row_id not in known:
            entries.append(
                session,
                f"{machine}.added",
                machine=machine,
                row_id=row_id,
                revision=0,
                now=now,
                payload=facts,
            )
    session.flush()


def row_of(vkey: str) -> UUID:
    """The id by which a key's entry is found, and is the only one."""
    return UUID(bytes=sha256(vkey.encode()).digest()[:16])


def known(session: Session) -> list[str]:
    """Every key that was ever entered, as vkeys, the newest first."""
    return [str(facts["vkey"]) for facts in added(session, MACHINE)]


def added(session: Session, machine: str) -> list[dict[str, Any]]:
    """What was entered of each key, the newest first."""
    payloads = session.scalars(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(LedgerEntry.machine == machine)
        .order_by(LedgerEntry.id.desc())
    )
    return [dict(json.loads(payload)) for payload in payloads]
