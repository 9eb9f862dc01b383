"""The table of weights that lie in the store, or are about to, and are no version's."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.bitmap import Bitmap
from app.db import Table


class StoredWeights(Table):
    """What a job made and has not published: as much a copy of people's samples as a version is.

    The row is there before the bytes are, and goes after them. `job_id` and `made_by` are null
    where weights were found in the store that nothing else told of.
    """

    __tablename__ = "stored_weights"

    weights_digest: Mapped[str] = mapped_column(index=True)
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id"))
    made_by: Mapped[str | None]  # trained, or the route of an unlearning job
    training_set: Mapped[Bitmap]
    stored_at: Mapped[datetime]
    released_at: Mapped[datetime | None]  # from then on nobody needs them: the clerk removes them

    __table_args__ = (
        UniqueConstraint("job_id", "weights_digest"),
        Index(
            "ix_stored_weights_released",
            "released_at",
            postgresql_where=text("released_at IS NOT NULL"),
        ),
    )
