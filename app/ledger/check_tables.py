"""Published versions that are held against a true retrain: which, and what came of it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class Check(Base):
    """One published version that a coin chose, and the audit that had a retrain for its yardstick.

    `outcome` holds counts, numbers and sentences; no sample is named. It is null until the job has
    ended, and stays so where the check could not be made.
    """

    __tablename__ = "checks"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"), unique=True)
    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"), index=True)
    verdict: Mapped[str | None]
    outcome: Mapped[dict[str, Any] | None]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(
            "(verdict IS NULL) = (ended_at IS NULL) AND (verdict IS NULL) = (outcome IS NULL)",
            name="ended_with_a_verdict",
        ),
    )
