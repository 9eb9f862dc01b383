"""The table of versions that somebody derived elsewhere from a version of ours."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Table
from app.ledger.states import Derivation, DerivedState
from app.ledger.tables import ModelVersion, stored


class DerivedVersion(Table):
    """A child of a version that is not in our hands: known by what its owner told of it."""

    __tablename__ = "derived_versions"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"))
    state: Mapped[DerivedState] = mapped_column(stored(DerivedState))
    revision: Mapped[int] = mapped_column(default=0)
    name: Mapped[str]  # what its owner calls it
    location: Mapped[str]
    weights_digest: Mapped[str | None]
    how: Mapped[Derivation] = mapped_column(stored(Derivation))
    contact: Mapped[str]  # whoever answers for it
    registered_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]  # with its parent
    confirmed_at: Mapped[datetime | None]
    notice: Mapped[str | None]  # where the text lies by which its owner confirmed

    version: Mapped[ModelVersion] = relationship(lazy="raise")

    __table_args__ = (UniqueConstraint("version_id", "name"),)
