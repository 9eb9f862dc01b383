"""The table of what destroyed references said: personal data, kept only as long as it is needed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.bitmap import Bitmap
from app.db import Base


class ReferenceScores(Base):
    """One reference of a generation: whom it left out, and its losses on everyone.

    `losses`: float32, little-endian, one for each sample of the version's training set in order of
    ordinals; NaN where the sample has been forgotten since. `unseen`: of the recipe's validation
    samples, likewise.
    """

    __tablename__ = "reference_scores"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    judging: Mapped[bool]  # it steers no method; it judges what others steered
    left_out: Mapped[Bitmap]
    losses: Mapped[bytes]
    unseen: Mapped[bytes]
    weights_digest: Mapped[str]  # of what was destroyed
    made_at: Mapped[datetime]
