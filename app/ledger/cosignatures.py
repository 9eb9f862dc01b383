"""Takes what witnesses cosigned, and gives checkpoints out with it.

A cosignature is no entry of the ledger: it would make a checkpoint to be cosigned, and so on.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import Conflict, NoCheckpoint, Unprocessable
from app.evidence import checkpoint, note, witnesses
from app.evidence.checkpoint import Checkpoint
from app.evidence.errors import VerificationFailed
from app.evidence.note import Note, Signature, VerifierKey
from app.evidence.witnesses import Cosignature
from app.ledger.cosignature_tables import LedgerCosignature
from app.ledger.log_tables import LedgerCheckpoint

CLOCK_SKEW = timedelta(minutes=5)


class BadNote(Unprocessable):
    """This is no checkpoint with signature lines under it."""

    code = "bad_note"


class UnknownCheckpoint(Unprocessable):
    """The ledger never signed this checkpoint."""

    code = "unknown_checkpoint"


class UnknownWitness(Unprocessable):
    """None of the signature lines is of a witness that this ledger knows."""

    code = "unknown_witness"


class BadCosignature(Unprocessable):
    """A witness's cosignature does not verify, or is from the future."""

    code = "bad_cosignature"


class StaleCheckpoint(Conflict):
    """The witness has cosigned a larger checkpoint already."""

    code = "stale_checkpoint"


def add(
    session: Session, data: bytes, known: Sequence[VerifierKey], *, now: datetime
) -> LedgerCheckpoint:
    """Keep the cosignatures in a note over one of our checkpoints; sent twice, they count once."""
    try:
        signed = note.parse(data)
        stated = checkpoint.parse_text(signed.text)
    except VerificationFailed as failure:
        raise BadNote(f"the body is not a checkpoint: {failure}") from failure
    head = the_same(session, stated)
    for found in verified(signed, known, now=now):
        refuse_stale(session, head, found)
        keep(session, head, found, now=now)
    return head


def the_same(session: Session, stated: Checkpoint) -> LedgerCheckpoint:
    """Our checkpoint of this size, if it says the same."""
    head = session.get(LedgerCheckpoint, stated.size)
    if head is None or checkpoint.parse_text(note.parse(head.note).text) != stated:
        raise UnknownCheckpoint(
            f"this ledger has signed no such checkpoint of {stated.size} entries; if its own "
            "signature under it verifies, keep the note: it proves that the history was forked"
        )
    return head


def verified(signed: Note, known: Sequence[VerifierKey], *, now: datetime) -> list[Cosignature]:
    """What witnesses that we know cosigned, at a time that has come."""
    try:
        found = witnesses.cosignatures(signed, known)
    except VerificationFailed as failure:
        raise BadCosignature(str(failure)) from failure
    if not found:
        raise UnknownWitness("no line is of a witness in LACUNA_WITNESS_KEYS")
    if any(each.time > (now + CLOCK_SKEW).timestamp() for each in found):
        raise BadCosignature("a cosignature is from the future")
    return found


def refuse_stale(session: Session, head: LedgerCheckpoint, found: Cosignature) -> None:
    """A witness goes forward: what it says of an older tree after a larger one is worth nothing."""
    largest = session.scalar(
        select(func.max(LedgerCosignature.size)).where(
            LedgerCosignature.vkey == note.vkey(found.key)
        )
    )
    if largest is not None and largest > head.size:
        raise StaleCheckpoint(f"{found.key.name} has cosigned the checkpoint of {largest} entries")


def keep(session: Session, head: LedgerCheckpoint, found: Cosignature, *, now: datetime) -> None:
    """Write a cosignature down, unless it is there."""
    session.execute(
        insert(LedgerCosignature)
        .values(
            size=head.size,
            vkey=note.vkey(found.key),
            time=found.time,
            signature=found.line.signature,
            received_at=now,
        )
        .on_conflict_do_nothing()
    )


def cosigned(session: Session, head: LedgerCheckpoint) -> bytes:
    """The checkpoint's note with all its cosignatures, in the order in which they came."""
    rows = session.scalars(
        select(LedgerCosignature)
        .where(LedgerCosignature.size == head.size)
        .order_by(LedgerCosignature.received_at, LedgerCosignature.vkey)
    )
    signed = note.parse(head.note)
    return note.encode(replace(signed, signatures=(*signed.signatures, *map(line, rows))))


def line(row: LedgerCosignature) -> Signature:
    key = note.parse_vkey(row.vkey)
    return Signature(key.name, key.id, row.signature)


def newest(session: Session) -> LedgerCheckpoint:
    """The newest checkpoint that a witness has cosigned."""
    size = session.scalar(select(func.max(LedgerCosignature.size)))
    if size is None:
        raise NoCheckpoint("no witness has cosigned a checkpoint of this ledger yet")
    return session.get_one(LedgerCheckpoint, size)


def covering(session: Session, index: int) -> LedgerCheckpoint | None:
    """The first checkpoint with this index that a witness has cosigned."""
    size = session.scalar(
        select(func.min(LedgerCosignature.size)).where(LedgerCosignature.size > index)
    )
    return None if size is None else session.get_one(LedgerCheckpoint, size)


def examine(session: Session, known: Sequence[VerifierKey], faults: list[str]) -> dict[str, int]:
    """By witness: the largest size whose cosignature verifies. What does not is told as a fault."""
    largest: dict[str, int] = {}
    rows = session.execute(
        select(LedgerCosignature, LedgerCheckpoint.note)
        .join(LedgerCheckpoint, LedgerCheckpoint.size == LedgerCosignature.size)
        .where(LedgerCosignature.vkey.in_([note.vkey(key) for key in known]))
        .order_by(LedgerCosignature.size)
    )
    for row, stored in rows:
        signed = replace(note.parse(stored), signatures=(line(row),))
        name = note.parse_vkey(row.vkey).name
        try:
            witnesses.require_all(signed, [note.parse_vkey(row.vkey)])
        except VerificationFailed:
            faults.append(
                f"the checkpoint of {row.size} entries is not the one that the witness {name} "
                "cosigned"
            )
        else:
            largest[name] = row.size
    faults.extend(
        f"the witness {key.name} has cosigned no checkpoint of this ledger"
        for key in known
        if key.name not in largest
    )
    return largest
