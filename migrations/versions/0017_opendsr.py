"""Requests that came in over OpenDSR, and messages that are for one webhook alone."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "opendsr_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("subject_request_id", sa.Uuid(), nullable=False),
        sa.Column("controller_id", sa.String(), nullable=False),
        sa.Column("domain", sa.String(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["deletion_requests.id"], name=op.f("fk_opendsr_requests_request_id")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_opendsr_requests")),
        sa.UniqueConstraint(
            "subject_request_id", name=op.f("uq_opendsr_requests_subject_request_id")
        ),
    )
    op.create_table(
        "opendsr_callbacks",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["opendsr_requests.request_id"],
            name=op.f("fk_opendsr_callbacks_request_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"],
            ["webhooks.id"],
            name=op.f("fk_opendsr_callbacks_webhook_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("request_id", "webhook_id", name=op.f("pk_opendsr_callbacks")),
    )
    op.create_index(op.f("ix_opendsr_callbacks_webhook_id"), "opendsr_callbacks", ["webhook_id"])
    op.add_column("webhook_deliveries", sa.Column("body", sa.String(), nullable=True))


def downgrade() -> None:
    """Webhooks that were made for callbacks are of no use without them."""
    op.drop_column("webhook_deliveries", "body")
    op.drop_table("opendsr_callbacks")
    op.drop_table("opendsr_requests")
    op.execute("DELETE FROM webhooks WHERE signing = 'opendsr'")
