"""Appends statements of fact to the ledger, as commitments to payloads that can be shredded."""

import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app.evidence.canonical import SALT_SIZE, Json, canonical, commitment_to_bytes
from app.ledger import outbox
from app.ledger.log_tables import LedgerEntry, LedgerPayload


def append(
    session: Session,
    kind: str,
    *,
    machine: str,
    row_id: UUID,
    now: datetime,
    revision: int | None = None,
    payload: dict[str, Json],
) -> LedgerEntry:
    """State a fact in the transaction of the fact. The payload names rows, never people.

    Whoever has a webhook for facts of this kind is told, if that transaction is committed.
    """
    text = canonical(payload)
    salt = secrets.token_bytes(SALT_SIZE)
    entry = LedgerEntry(
        kind=kind,
        hour=now.replace(minute=0, second=0, microsecond=0),
        commitment=commitment_to_bytes(salt, text),
        machine=machine,
        row_id=row_id,
        revision=revision,
        payload=LedgerPayload(salt=salt, payload=text.decode()),
    )
    session.add(entry)
    outbox.note(session, kind, row_id, now=now)
    return entry
