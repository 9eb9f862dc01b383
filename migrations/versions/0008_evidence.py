"""Requests say under which law somebody asked."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    law = sa.Enum("gdpr", "ccpa", name="law", native_enum=False, length=32)
    # Every request so far was answered under the GDPR; from now on each says so itself.
    op.add_column("deletion_requests", sa.Column("law", law, nullable=False, server_default="gdpr"))
    op.alter_column("deletion_requests", "law", server_default=None)
    op.add_column(
        "deletion_requests", sa.Column("confirm_by", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("deletion_requests", "confirm_by")
    op.drop_column("deletion_requests", "law")
