"""What tests of repeated POSTs share: a key, and what must not grow by a repetition."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.ledger.log_tables import LedgerEntry

KEY = {"Idempotency-Key": "8e03978e-40d5-43e8-bc93-6894a57f9324"}


def stated(session: Session) -> int:
    """How many entries the ledger has."""
    return session.scalars(select(func.count()).select_from(LedgerEntry)).one()
