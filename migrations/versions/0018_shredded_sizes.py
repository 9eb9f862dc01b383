"""How many samples shredded forget sets had, and why versions were withdrawn."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.bitmap import Bitmap

revision: str = "0018"
down_revision: str | None = "0017"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Of jobs that were shredded before, the entry of their beginning still says it.
BACKFILL = """
    UPDATE jobs SET forget_size = CAST(CAST(payload AS jsonb) ->> 'forget' AS integer)
    FROM ledger_entries AS entry JOIN ledger_payloads ON entry_id = entry.id
    WHERE entry.kind = 'job.queued' AND entry.row_id = jobs.id
        AND jobs.kind IN ('unlearn', 'check') AND jobs.forget_set = :empty
"""


def upgrade() -> None:
    op.add_column("jobs", sa.Column("forget_size", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("retain_size", sa.Integer(), nullable=True))
    op.add_column(
        "model_versions", sa.Column("withdrawal_reason", sa.String(length=32), nullable=True)
    )
    op.execute(  # there was no other reason before
        "UPDATE model_versions SET withdrawal_reason = 'forgotten_samples'"
        " WHERE withdrawn_at IS NOT NULL"
    )
    op.get_bind().execute(sa.text(BACKFILL), {"empty": Bitmap().to_bytes()})


def downgrade() -> None:
    op.drop_column("model_versions", "withdrawal_reason")
    op.drop_column("jobs", "retain_size")
    op.drop_column("jobs", "forget_size")
