"""The tables of callers: their API keys, what they asked for, and how fast they ask."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Table


class ApiKey(Table):
    """A caller's key, by its keyed hash; or a person's token, which reads one request only."""

    __tablename__ = "api_keys"

    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[bytes]
    scopes: Mapped[list[Any]]  # none for a person's token
    request_id: Mapped[UUID | None] = mapped_column(ForeignKey("deletion_requests.id"))
    # The first key of a row of rotations: all of them are one person's.
    holder: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]  # the hour

    __table_args__ = (
        CheckConstraint(
            "(request_id IS NULL) = (jsonb_array_length(scopes) > 0)", name="scopes_or_request"
        ),
        Index("ix_api_keys_request", "request_id", postgresql_where=text("request_id IS NOT NULL")),
    )


class Act(Base):
    """Who asked for a row, a request or a job, so that somebody else can be asked to approve it."""

    __tablename__ = "acts"

    row_id: Mapped[UUID] = mapped_column(primary_key=True)
    holder: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime]


class RateBucket(Base):
    """How much of its allowance a caller has used; lost in a crash of the server, which is fine."""

    __tablename__ = "rate_buckets"

    caller: Mapped[str] = mapped_column(primary_key=True)
    empty_at: Mapped[datetime] = mapped_column(index=True)

    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012, SQLAlchemy reads it as it is
