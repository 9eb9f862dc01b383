"""Appends statements of fact to the ledger, as commitments to payloads that can be shredded."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from app.evidence.canonical import SALT_SIZE, Json, canonical, commitment_to_bytes
from app.ledger import outbox
from app.ledger.log_tables import LedgerEntry, LedgerPayload

# Ids are drawn first, so that a payload finds its entry without a join.
APPEND_ALL = text(
    """
    WITH told AS MATERIALIZED (
        SELECT nextval(pg_get_serial_sequence('ledger_entries', 'id')) AS id, fact.*
        FROM unnest(
            CAST(:kinds AS text[]), CAST(:commitments AS bytea[]), CAST(:machines AS text[]),
            CAST(:rows AS uuid[]), CAST(:revisions AS integer[]), CAST(:salts AS bytea[]),
            CAST(:payloads AS bytea[])
        ) AS fact (kind, commitment, machine, row_id, revision, salt, payload)
    ), entered AS (
        INSERT INTO ledger_entries (id, kind, hour, commitment, machine, row_id, revision)
        OVERRIDING SYSTEM VALUE
        SELECT id, kind, :hour, commitment, machine, row_id, revision FROM told
    ), noted AS (
        INSERT INTO webhook_events (id, kind, row_id, at)
        SELECT gen_random_uuid(), kind, row_id, :now FROM told WHERE kind = ANY(:events)
    )
    INSERT INTO ledger_payloads (entry_id, salt, payload)
    SELECT id, salt, convert_from(payload, 'UTF8') FROM told
    """
)
EVENTS = [kind.value for kind in outbox.TOLD]
CHUNK = 5_000  # entries in one statement


@dataclass(frozen=True)
class Fact:
    """What an entry states: a kind of thing happened to a row. The payload names no people."""

    kind: str
    machine: str
    row_id: UUID
    revision: int | None
    payload: dict[str, Json]


def enter(session: Session, fact: Fact, *, now: datetime) -> None:
    """State one fact as `append` does."""
    append(session, now=now, **vars(fact))


def append_all(connection: Connection, facts: Sequence[Fact], *, now: datetime) -> None:
    """State facts as `append` does, by one statement and not through the session."""
    for start in range(0, len(facts), CHUNK):
        chunk = facts[start : start + CHUNK]
        texts = [canonical(fact.payload) for fact in chunk]
        salts = [secrets.token_bytes(SALT_SIZE) for _ in chunk]
        values = {
            "kinds": [fact.kind for fact in chunk],
            "commitments": list(map(commitment_to_bytes, salts, texts)),
            "machines": [fact.machine for fact in chunk],
            "rows": [fact.row_id for fact in chunk],
            "revisions": [fact.revision for fact in chunk],
            "salts": salts,
            "payloads": texts,  # as text, each quotation mark in an array would be escaped
            "hour": hour_of(now),
            "now": now,
            "events": EVENTS,
        }
        connection.execute(APPEND_ALL, values)


def hour_of(now: datetime) -> datetime:
    """No entry tells more of its time."""
    return now.replace(minute=0, second=0, microsecond=0)


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
    told = canonical(payload)
    salt = secrets.token_bytes(SALT_SIZE)
    entry = LedgerEntry(
        kind=kind,
        hour=hour_of(now),
        commitment=commitment_to_bytes(salt, told),
        machine=machine,
        row_id=row_id,
        revision=revision,
        payload=LedgerPayload(salt=salt, payload=told.decode()),
    )
    session.add(entry)
    outbox.note(session, kind, row_id, now=now)
    return entry
