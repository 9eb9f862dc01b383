"""The table of why the ledger is not signed at present."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class SigningRefusal(Base):
    """What keeps the clerk from signing; deleted when it signs again. No fact, so no entry."""

    __tablename__ = "signing_refusals"

    code: Mapped[str] = mapped_column(primary_key=True)
    detail: Mapped[str]
    since: Mapped[datetime]
    seen_at: Mapped[datetime]
