"""The tables of the log: entries, what they commit to, and the steps that the database allows."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    SmallInteger,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base


class LedgerEntry(Base):
    """One appended statement of a fact; a trigger refuses update, delete and truncate."""

    __tablename__ = "ledger_entries"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str]
    hour: Mapped[datetime]
    commitment: Mapped[bytes]
    # Which step of which row this states; a step has exactly one entry (I4).
    machine: Mapped[str]
    row_id: Mapped[UUID]
    revision: Mapped[int | None]

    payload: Mapped["LedgerPayload"] = relationship(back_populates="entry", lazy="raise")

    __table_args__ = (UniqueConstraint("machine", "row_id", "revision"),)


class LedgerPayload(Base):
    """What an entry commits to: salt and canonical JSON, which can be shredded."""

    __tablename__ = "ledger_payloads"

    entry_id: Mapped[int] = mapped_column(ForeignKey("ledger_entries.id"), primary_key=True)
    salt: Mapped[bytes]
    payload: Mapped[str]
    # Of a receipt's statement, from its sequencing on: `{keyid, sig}`, as DSSE writes them.
    signatures: Mapped[list[Any] | None]

    entry: Mapped[LedgerEntry] = relationship(back_populates="payload", lazy="raise")


class PendingEntry(Base):
    """An entry that has no place in the tree yet; a trigger adds the row with the entry."""

    __tablename__ = "ledger_pending"

    entry_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("ledger_entries.id"), primary_key=True
    )


class LedgerLeaf(Base):
    """Which entry stands at which index of the tree; append-only."""

    __tablename__ = "ledger_leaves"

    index: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    entry_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("ledger_entries.id"), unique=True)
    leaf_hash: Mapped[bytes]


class LedgerNode(Base):
    """The root of a complete subtree of 2^level leaves; append-only. Leaves are not repeated."""

    __tablename__ = "ledger_nodes"

    level: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    offset: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    hash: Mapped[bytes]

    __table_args__ = (CheckConstraint("level > 0", name="above_the_leaves"),)


class LedgerCheckpoint(Base):
    """A size and root hash that were signed; append-only, and each is larger than the last."""

    __tablename__ = "ledger_checkpoints"

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes]
    note: Mapped[bytes]  # verbatim, as it is served and stands in receipts
    signed_at: Mapped[datetime]


class SampleCommitment(Base):
    """What receipts commit to instead of naming samples, and the key that the salts are made of.

    Deleting the row shreds it: from then on nobody can tell whether a sample is in the set.
    """

    __tablename__ = "sample_commitments"

    owner_id: Mapped[UUID] = mapped_column(primary_key=True)  # a deletion request or a job
    count: Mapped[int]
    root: Mapped[bytes]
    key: Mapped[bytes]


class StateEdge(Base):
    """The allowed steps, as the database enforces them."""

    __tablename__ = "state_edges"

    machine: Mapped[str] = mapped_column(primary_key=True)
    old_state: Mapped[str] = mapped_column(primary_key=True)
    new_state: Mapped[str] = mapped_column(primary_key=True)
