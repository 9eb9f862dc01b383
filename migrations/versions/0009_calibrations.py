"""Calibrations and the log of a training; jobs of low priority keep nobody waiting."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ACTIVE = "state NOT IN ('succeeded', 'failed', 'cancelled')"


def upgrade() -> None:
    op.create_table(
        "calibration_cells",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("outcome", postgresql.JSONB(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_calibration_cells_job_id")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name=op.f("fk_calibration_cells_version_id")
        ),
        sa.PrimaryKeyConstraint("job_id", "number", name=op.f("pk_calibration_cells")),
    )
    op.create_table(
        "calibrations",
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("taught", postgresql.JSONB(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_calibrations_job_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_calibrations_model_id")),
        sa.PrimaryKeyConstraint("model_id", name=op.f("pk_calibrations")),
    )
    op.create_table(
        "training_logs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("confidences", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_training_logs_job_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_training_logs")),
    )
    op.drop_index("uq_jobs_one_training_references", table_name="jobs")
    op.create_index(
        "uq_jobs_one_of_low_priority",
        "jobs",
        ["model_id", "kind"],
        unique=True,
        postgresql_where=sa.text(f"{ACTIVE} AND kind IN ('references', 'calibrate')"),
    )


def downgrade() -> None:
    op.drop_index("uq_jobs_one_of_low_priority", table_name="jobs")
    op.create_index(
        "uq_jobs_one_training_references",
        "jobs",
        ["model_id"],
        unique=True,
        postgresql_where=sa.text(f"{ACTIVE} AND kind = 'references'"),
    )
    op.drop_table("training_logs")
    op.drop_table("calibrations")
    op.drop_table("calibration_cells")
