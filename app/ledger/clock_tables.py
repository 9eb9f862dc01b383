"""The tables of legal clocks: extensions of due dates, and due dates that come near or pass."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base
from app.ledger.reasons import ExtensionReason
from app.ledger.tables import DeletionRequest, stored


class Urgency(StrEnum):
    """How a due date stands to the present."""

    ELAPSED_50 = "elapsed_50"  # per cent of the time from receipt to the due date
    ELAPSED_75 = "elapsed_75"
    ELAPSED_90 = "elapsed_90"
    AT_RISK = "at_risk"  # nearer than the margin of a model's policy
    PREDICTED_LATE = "predicted_late"  # by what the model's last jobs took
    OVERDUE = "overdue"


class Extension(Base):
    """The one extension that a request may have; a due date moves later with such a row only."""

    __tablename__ = "extensions"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_requests.id"), primary_key=True)
    reason: Mapped[ExtensionReason] = mapped_column(stored(ExtensionReason))
    notice: Mapped[str | None]  # where the text lies that the person was sent; shredded in time
    due_before: Mapped[datetime]
    due_after: Mapped[datetime]
    extended_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("due_after > due_before", name="later"),
        CheckConstraint("extended_at <= due_before", name="inside_the_first_period"),
    )


class DueMark(Base):
    """How far a due date's time had run while its request was open; each stage is stated once."""

    __tablename__ = "due_marks"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_requests.id"), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    urgency: Mapped[Urgency] = mapped_column(stored(Urgency), primary_key=True)
    marked_at: Mapped[datetime]


Index(
    "ix_deletion_requests_open",
    DeletionRequest.due_at,
    postgresql_where=text("state NOT IN ('completed', 'completed_no_data', 'denied', 'cancelled')"),
)
