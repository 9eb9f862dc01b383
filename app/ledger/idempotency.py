"""Answers a repeated POST as the first one was answered (IETF httpapi draft, Idempotency-Key)."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.errors import KeyInUse, KeyReused
from app.evidence.canonical import canonical
from app.ledger.tables import IdempotencyKey

Answer = tuple[int, dict[str, Any]]


def once(
    session: Session,
    key: str | None,
    path: str,
    body: Any,
    produce: Callable[[], Answer],
    *,
    now: datetime,
) -> Answer:
    """Produce the answer, or give the one that this key had; in the transaction of the fact itself.

    The key's row is written with the rows that it guards, so a crash loses both or neither.
    """
    if key is None:
        return produce()
    fingerprint = hashlib.sha256(canonical(body)).digest()
    lock_key(session, key, path)
    known = session.scalar(
        select(IdempotencyKey).where(IdempotencyKey.key == key, IdempotencyKey.path == path)
    )
    if known is not None:
        if known.fingerprint != fingerprint:
            raise KeyReused("this Idempotency-Key was sent with another body; use a new key")
        return known.status, known.body
    status, answer = produce()
    session.add(
        IdempotencyKey(
            key=key,
            path=path,
            fingerprint=fingerprint,
            status=status,
            body=answer,
            created_at=now,
        )
    )
    return status, answer


def lock_key(session: Session, key: str, path: str) -> None:
    """Refuse while the first request with this key runs; its transaction's end frees the key."""
    free = session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"{path} {key}"},
    )
    if not free:
        raise KeyInUse("a request with this Idempotency-Key is running; retry in a moment")
