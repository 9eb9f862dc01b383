"""Whose weights lie in the store that are no version's, so that they go with their job."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Jobs that are under way have stored theirs before anything was written down. What ended jobs have
# left behind the clerk finds in the store, as weights that nobody knows.
UNDER_WAY = """
    INSERT INTO stored_weights (id, weights_digest, job_id, made_by, training_set, stored_at)
    SELECT gen_random_uuid(), run ->> 'weights_digest', id, run ->> 'route', training_set, now()
    FROM jobs
    WHERE state NOT IN ('succeeded', 'failed', 'cancelled')
        AND run ->> 'weights_digest' IS NOT NULL
"""


def upgrade() -> None:
    op.create_table(
        "stored_weights",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("weights_digest", sa.String(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("made_by", sa.String(), nullable=True),
        sa.Column("training_set", sa.LargeBinary(), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_stored_weights_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stored_weights")),
        sa.UniqueConstraint(
            "job_id", "weights_digest", name=op.f("uq_stored_weights_job_id_weights_digest")
        ),
    )
    op.create_index(op.f("ix_stored_weights_weights_digest"), "stored_weights", ["weights_digest"])
    op.create_index(
        "ix_stored_weights_released",
        "stored_weights",
        ["released_at"],
        postgresql_where=sa.text("released_at IS NOT NULL"),
    )
    op.execute(UNDER_WAY)


def downgrade() -> None:
    op.drop_table("stored_weights")
