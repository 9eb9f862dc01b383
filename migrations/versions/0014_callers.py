"""Callers: their API keys, what they asked for, how fast they ask; who is yet to be identified."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", postgresql.JSONB(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(request_id IS NULL) = (jsonb_array_length(scopes) > 0)",
            name=op.f("ck_api_keys_scopes_or_request"),
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["deletion_requests.id"], name=op.f("fk_api_keys_request_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index(
        "ix_api_keys_request",
        "api_keys",
        ["request_id"],
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )
    op.create_table(
        "acts",
        sa.Column("row_id", sa.Uuid(), nullable=False),
        sa.Column("holder", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("row_id", "holder", name=op.f("pk_acts")),
    )
    op.create_table(
        "rate_buckets",
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("empty_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("caller", name=op.f("pk_rate_buckets")),
        prefixes=["UNLOGGED"],
    )
    op.create_index(op.f("ix_rate_buckets_empty_at"), "rate_buckets", ["empty_at"])
    make_identifications()


def make_identifications() -> None:
    op.create_table(
        "identifications",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["deletion_requests.id"], name=op.f("fk_identifications_request_id")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_identifications")),
    )
    op.create_index(op.f("ix_identifications_lapses_at"), "identifications", ["lapses_at"])


def downgrade() -> None:
    op.drop_table("identifications")
    op.drop_table("rate_buckets")
    op.drop_table("acts")
    op.drop_table("api_keys")
