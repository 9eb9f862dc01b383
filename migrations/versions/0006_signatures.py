"""What the clerk signs beside the tree: weights of versions, and the list of withdrawn ones."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "version_signatures",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("key_hint", sa.String(), nullable=False),
        sa.Column("bundle", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name=op.f("fk_version_signatures_version_id")
        ),
        sa.PrimaryKeyConstraint("version_id", "key_hint", name=op.f("pk_version_signatures")),
    )
    op.create_table(
        "withdrawal_lists",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("key_ids", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("size > 0", name=op.f("ck_withdrawal_lists_of_a_signed_ledger")),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_withdrawal_lists")),
    )


def downgrade() -> None:
    op.drop_table("withdrawal_lists")
    op.drop_table("version_signatures")
