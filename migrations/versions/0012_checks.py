"""Published versions that a coin chose to be held against a true retrain."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "checks",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=True),
        sa.Column("outcome", postgresql.JSONB(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(verdict IS NULL) = (ended_at IS NULL) AND (verdict IS NULL) = (outcome IS NULL)",
            name=op.f("ck_checks_ended_with_a_verdict"),
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_checks_job_id")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name=op.f("fk_checks_version_id")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_checks_model_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_checks")),
        sa.UniqueConstraint("version_id", name=op.f("uq_checks_version_id")),
    )
    op.create_index(op.f("ix_checks_model_id"), "checks", ["model_id"])


def downgrade() -> None:
    op.drop_table("checks")
