"""The tables of what outlasts the requests by which samples came onto the tombstones."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.bitmap import Bitmap
from app.db import Base


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
