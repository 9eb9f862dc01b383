"""The table of what witnesses cosigned."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class LedgerCosignature(Base):
    """A witness's verified signature over a checkpoint; append-only."""

    __tablename__ = "ledger_cosignatures"

    size: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("ledger_checkpoints.size"), primary_key=True
    )
    vkey: Mapped[str] = mapped_column(primary_key=True)
    time: Mapped[int] = mapped_column(BigInteger)  # the witness's own, in POSIX seconds
    signature: Mapped[bytes]  # as it stands in the note's line, the key id left out
    received_at: Mapped[datetime]
