"""The tables of downstream consumers: who uses a model, and what they owe when it is withdrawn."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, Table
from app.ledger.tables import ModelVersion


class Consumer(Table):
    """Somebody outside this service who uses a model's versions."""

    __tablename__ = "consumers"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    name: Mapped[str]
    contact: Mapped[str]
    webhook_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("webhooks.id", ondelete="SET NULL"), index=True
    )
    registered_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]

    __table_args__ = (
        Index(
            "uq_consumers_registered",
            "model_id",
            "name",
            unique=True,
            postgresql_where=text("removed_at IS NULL"),
        ),
    )


class Acknowledgement(Base):
    """That a consumer has to say what it did about a withdrawn version; and what it said."""

    __tablename__ = "acknowledgements"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"), primary_key=True)
    consumer_id: Mapped[UUID] = mapped_column(
        ForeignKey("consumers.id"), primary_key=True, index=True
    )
    owed_since: Mapped[datetime]
    notified_at: Mapped[datetime | None]  # when its webhook took the message
    acknowledged_at: Mapped[datetime | None]
    done: Mapped[str | None]

    consumer: Mapped[Consumer] = relationship(lazy="raise")
    version: Mapped[ModelVersion] = relationship(lazy="raise")
