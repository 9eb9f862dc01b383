"""Requests whose person has yet to prove who they are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Identification(Base):
    """Until when a request waits for its person to be identified."""

    __tablename__ = "identifications"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_requests.id"), primary_key=True)
    lapses_at: Mapped[datetime] = mapped_column(index=True)
