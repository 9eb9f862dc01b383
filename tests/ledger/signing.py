"""A ledger that is signed in tests: its keys, entries with nothing to say, and the sequencer."""

from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlalchemy.orm import Session

from app.evidence import checkpoint
from app.evidence.checkpoint import Checkpoint
from app.evidence.signer import Signer
from app.ledger import entries, sequencer
from app.ledger.log_tables import LedgerEntry
from tests.factories import NOW

OLD_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
NEW_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
SIGNER = Signer("ledger.example/test", (OLD_KEY,))
BOTH = Signer("ledger.example/test", (NEW_KEY, OLD_KEY))
RENEWED = Signer("ledger.example/test", (NEW_KEY,))


def append(session: Session, count: int = 1, *, kind: str = "test.fact") -> list[LedgerEntry]:
    """Entries that wait for their index."""
    made = [
        entries.append(
            session, kind, machine="test", row_id=uuid4(), now=NOW, payload={"number": number}
        )
        for number in range(count)
    ]
    session.flush()
    return made


def sequence(
    session: Session,
    signer: Signer = SIGNER,
    *,
    remembered: bytes | None = None,
    limit: int = sequencer.BATCH,
) -> bytes | None:
    return sequencer.sequence(session, signer, now=NOW, remembered=remembered, limit=limit)


def sequenced(session: Session, count: int = 1) -> bytes:
    """The note over everything, with so many entries more."""
    append(session, count)
    signed = sequence(session)
    assert signed is not None
    return signed


def verified(signed: bytes | None, signer: Signer = SIGNER) -> Checkpoint:
    assert signed is not None
    return checkpoint.verify(signed, signer.verifier_keys).checkpoint


def tamper(session: Session, statement: str, **values: object) -> None:
    """Change what is append-only, as somebody with the database's own powers could."""
    session.execute(text("SET LOCAL session_replication_role = replica"))
    session.execute(text(statement), values)
    session.execute(text("SET LOCAL session_replication_role = origin"))
    session.expire_all()
