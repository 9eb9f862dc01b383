"""Why the ledger is not signed at present, where the API can read it: only the clerk signs."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.ledger.refusal_tables import SigningRefusal


def note(session: Session, code: str, detail: str, *, now: datetime) -> None:
    """Keep why nothing was signed, and since when; in a transaction after the one that failed."""
    session.execute(
        insert(SigningRefusal)
        .values(code=code, detail=detail, since=now, seen_at=now)
        .on_conflict_do_update(
            index_elements=[SigningRefusal.code], set_={"detail": detail, "seen_at": now}
        )
    )


def clear(session: Session) -> None:
    """Nothing keeps the clerk from signing."""
    session.execute(delete(SigningRefusal))


def standing(session: Session) -> Sequence[SigningRefusal]:
    """What keeps the clerk from signing, the oldest first."""
    return session.scalars(select(SigningRefusal).order_by(SigningRefusal.since)).all()
