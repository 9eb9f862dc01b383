"""What destroyed references said; neither training them nor a dry run keeps anybody waiting."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

ACTIVE = "state NOT IN ('succeeded', 'failed', 'cancelled')"


def upgrade() -> None:
    op.create_table(
        "reference_scores",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("judging", sa.Boolean(), nullable=False),
        sa.Column("left_out", sa.LargeBinary(), nullable=False),
        sa.Column("losses", sa.LargeBinary(), nullable=False),
        sa.Column("unseen", sa.LargeBinary(), nullable=False),
        sa.Column("weights_digest", sa.String(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name=op.f("fk_reference_scores_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "number", name=op.f("pk_reference_scores")),
    )
    one_active(f"{ACTIVE} AND kind IN ('train', 'unlearn')")
    op.execute("INSERT INTO state_edges VALUES ('job', 'assessing', 'succeeded')")
    op.create_index(
        "uq_jobs_one_training_references",
        "jobs",
        ["model_id"],
        unique=True,
        postgresql_where=sa.text(f"{ACTIVE} AND kind = 'references'"),
    )


def downgrade() -> None:
    op.drop_index("uq_jobs_one_training_references", table_name="jobs")
    one_active(ACTIVE)
    op.drop_table("reference_scores")
    op.execute(
        "DELETE FROM state_edges WHERE machine = 'job' AND old_state = 'assessing' "
        "AND new_state = 'succeeded'"
    )


def one_active(which: str) -> None:
    """I2, as the index says it."""
    op.drop_index("uq_jobs_one_active_per_model", table_name="jobs")
    op.create_index(
        "uq_jobs_one_active_per_model",
        "jobs",
        ["model_id"],
        unique=True,
        postgresql_where=sa.text(which),
    )
