"""Canaries: coins that decide who is trained on, and what the coins of published jobs said."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "canary_deals",
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("dealt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_canary_deals_model_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_canary_deals_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canary_deals")),
        sa.UniqueConstraint("job_id", name=op.f("uq_canary_deals_job_id")),
    )
    op.create_index(op.f("ix_canary_deals_model_id"), "canary_deals", ["model_id"])
    make_canaries()
    op.create_table(
        "canary_tests",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("riders", sa.Integer(), nullable=False),
        sa.Column("never_seen", sa.Integer(), nullable=False),
        sa.Column("p_value", sa.Float(), nullable=False),
        sa.Column("e_value", sa.Float(), nullable=False),
        sa.Column("wealth", sa.Float(), nullable=False),
        sa.Column("tested_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_canary_tests_job_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_canary_tests_model_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_canary_tests")),
        sa.UniqueConstraint("model_id", "number", name=op.f("uq_canary_tests_model_id_number")),
    )


def make_canaries() -> None:
    op.create_table(
        "canaries",
        sa.Column("deal_id", sa.Uuid(), nullable=False),
        sa.Column("included", sa.Boolean(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
        sa.Column("nonce", sa.LargeBinary(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("hardness", sa.Float(), nullable=True),
        sa.Column("heard", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.CheckConstraint(
            "(heard = 0) = (hardness IS NULL)", name=op.f("ck_canaries_hardness_was_heard")
        ),
        sa.ForeignKeyConstraint(["deal_id"], ["canary_deals.id"], name=op.f("fk_canaries_deal_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_canaries_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canaries")),
    )
    op.create_index(op.f("ix_canaries_deal_id"), "canaries", ["deal_id"])
    op.create_index(
        "ix_canaries_spent",
        "canaries",
        ["job_id"],
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("canary_tests")
    op.drop_table("canaries")
    op.drop_table("canary_deals")
