"""The tables of what keeps forgotten samples out, and outlasts the requests for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.bitmap import Bitmap
from app.db import Base


class Tombstone(Base):
    """The sign on a sample whose forgetting was accepted: no later training set may hold it.

    Beside the samples and not among them: PostgreSQL writes all of a changed row and its entry in
    each index anew, where here it adds one row at the end.
    """

    __tablename__ = "tombstones"

    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    placed_at: Mapped[datetime]


class LastingTombstones(Base):
    """Samples that stay tombstoned although the requests for them were shredded.

    Without it, taking back a later request for the same samples would bring them back.
    """

    __tablename__ = "lasting_tombstones"

    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    samples: Mapped[Bitmap]


class TombstoneKey(Base):
    """The key of a dataset's marks; without it nobody knows any more what a mark stands for."""

    __tablename__ = "tombstone_keys"

    dataset_id: Mapped[UUID] = mapped_column(ForeignKey("datasets.id"), primary_key=True)
    key: Mapped[bytes]
    made_at: Mapped[datetime]
