"""What trials taught of costs and audits is kept trial by trial; older ones kept no sizes."""

from collections.abc import Sequence

from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute(
        "UPDATE calibrations SET taught = taught - 'unlearn_share' - 'trials' - 'escalated'"
        """ || '{"precedents": []}'::jsonb"""
    )


def downgrade() -> None:
    op.execute(
        "UPDATE calibrations SET taught = taught - 'precedents'"
        """ || '{"unlearn_share": null, "trials": 0, "escalated": 0}'::jsonb"""
    )
