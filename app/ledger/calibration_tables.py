"""What trials on synthetic forget sets came to: numbers about a model, and about nobody."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class CalibrationCell(Base):
    """One trial of a calibration: which forget set was drawn, and what became of it.

    `outcome` holds counts, shares, seconds and a verdict; no sample is named.
    """

    __tablename__ = "calibration_cells"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    outcome: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]


class Calibration(Base):
    """What a model's decision takes from its last calibration that came to its end.

    It belongs to the model and not to a generation: it is about how a recipe's networks forget.
    """

    __tablename__ = "calibrations"

    model_id: Mapped[UUID] = mapped_column(ForeignKey("models.id"), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    method: Mapped[str]
    taught: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]
