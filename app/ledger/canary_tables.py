"""The tables of canaries: personal data, for they say who was in a training set and who out."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.bitmap import Bitmap
from app.db import Base, Table


class CanaryDeal(Table):
    """Coins that were flipped, and committed to in the ledger, before one training."""

    __tablename__ = "canary_deals"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"), index=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), unique=True)  # the training
    size: Mapped[int]  # coins
    samples: Mapped[Bitmap]  # of all that are still canaries, in and out
    digest: Mapped[bytes]
    dealt_at: Mapped[datetime]


class Canary(Table):
    """One subject whose membership in the training set was decided by a coin.

    One that asks to be forgotten is no canary any more: of its row only the leaf remains.
    """

    __tablename__ = "canaries"

    deal_id: Mapped[UUID] = mapped_column(ForeignKey("canary_deals.id"), index=True)
    included: Mapped[bool]
    samples: Mapped[Bitmap]
    nonce: Mapped[bytes | None]
    leaf: Mapped[bytes]
    # Mean loss on references that steer and never saw it, and how many of those there were.
    hardness: Mapped[float | None]
    heard: Mapped[int] = mapped_column(default=0)
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))  # that looked at its coin

    __table_args__ = (
        CheckConstraint("(heard = 0) = (hardness IS NULL)", name="hardness_was_heard"),
        Index("ix_canaries_spent", "job_id", postgresql_where=text("job_id IS NOT NULL")),
    )


class CanaryTest(Base):
    """What the coins of one published job said, and what those of all jobs so far amount to."""

    __tablename__ = "canary_tests"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"))
    number: Mapped[int]  # 1, 2, … in the order of publication
    riders: Mapped[int]
    never_seen: Mapped[int]
    p_value: Mapped[float]
    e_value: Mapped[float]
    wealth: Mapped[float]  # the product of all e-values of the model, this one included
    tested_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("model_id", "number"),)
