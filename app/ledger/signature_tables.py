"""The tables of what the clerk signs beside the tree: weights, and the list of withdrawn ones."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base


class VersionSignature(Base):
    """A bundle that the public client `model_signing` verifies: one per version and key.

    `key_hint` names the key as the bundle does: SHA-256, in hex, of its public half as PEM.
    """

    __tablename__ = "version_signatures"

    version_id: Mapped[UUID] = mapped_column(ForeignKey("model_versions.id"), primary_key=True)
    key_hint: Mapped[str] = mapped_column(primary_key=True)
    bundle: Mapped[bytes]  # verbatim, as it is served
    signed_at: Mapped[datetime]


class WithdrawalList(Base):
    """The newest signed list of withdrawn versions; older ones are not kept."""

    __tablename__ = "withdrawal_lists"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    changes: Mapped[int]  # withdrawals and purges that it tells of; it only ever grows
    key_ids: Mapped[list[Any]]  # of the keys that signed, as the envelope names them
    envelope: Mapped[bytes]  # verbatim, as it is served
    signed_at: Mapped[datetime]

    __table_args__ = (CheckConstraint("size > 0", name="of_a_signed_ledger"),)
