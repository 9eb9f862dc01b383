"""What came in over OpenDSR: the caller's id of each request, and who is called back."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base
from app.ledger.tables import DeletionRequest


class OpendsrRequest(Base):
    """A deletion request as its OpenDSR controller knows it; dropped when it is shredded."""

    __tablename__ = "opendsr_requests"

    request_id: Mapped[UUID] = mapped_column(ForeignKey("deletion_requests.id"), primary_key=True)
    subject_request_id: Mapped[UUID] = mapped_column(unique=True)
    controller_id: Mapped[str]
    domain: Mapped[str]  # of the processor, under which extensions to its status stand
    taken_at: Mapped[datetime]

    request: Mapped[DeletionRequest] = relationship(lazy="raise")


class OpendsrCallback(Base):
    """A webhook that one request asked to have called back."""

    __tablename__ = "opendsr_callbacks"

    request_id: Mapped[UUID] = mapped_column(
        ForeignKey("opendsr_requests.request_id", ondelete="CASCADE"), primary_key=True
    )
    webhook_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhooks.id", ondelete="CASCADE"), primary_key=True, index=True
    )
