"""Requests whose person has yet to prove who they are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Identification(Base):
    """Until when a request waits for its person to be identified, and when that was done."""

    __tablename__ = "identifications"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_requests.id"), primary_key=True)
    lapses_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]  # identified, lapsed, denied or taken back

    __table_args__ = (
        Index("ix_identifications_open", "lapses_at", postgresql_where=text("ended_at IS NULL")),
    )
