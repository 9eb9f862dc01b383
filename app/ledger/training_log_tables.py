"""The table of what a training noted of its samples: personal data, kept as long as it is used."""

from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class TrainingLog(Base):
    """How sure a network was of each sample while it was trained, for the version of that job.

    `confidences`: float32, little-endian, 0..1, one for each sample of the job's training set in
    order of ordinals; NaN where the sample has been forgotten since.
    """

    __tablename__ = "training_logs"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    confidences: Mapped[bytes]
