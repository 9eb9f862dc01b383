"""Marks in the place of names, for samples whose requests were shredded."""

import secrets
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from app.bitmap import Bitmap

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Copied, not imported: a migration says what was true when it was written.
MARK = """
    WITH strangers AS MATERIALIZED (
        SELECT subject_key,
            uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) AS stand_in
        FROM (
            SELECT DISTINCT subject_key FROM samples
            WHERE dataset_id = :dataset AND ordinal = ANY(:ordinals)
        ) AS subjects
    )
    UPDATE samples SET
        sample_id = NULL,
        mark = sha256(CAST(:key AS bytea) || convert_to(sample_id, 'UTF8')),
        subject_key = strangers.stand_in
    FROM strangers
    WHERE samples.subject_key = strangers.subject_key
        AND dataset_id = :dataset AND ordinal = ANY(:ordinals)
"""


def upgrade() -> None:
    op.create_table(
        "tombstone_keys",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_tombstone_keys_dataset_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_tombstone_keys")),
    )
    op.add_column("samples", sa.Column("mark", sa.LargeBinary(), nullable=True))
    op.alter_column("samples", "sample_id", nullable=True)
    op.create_unique_constraint(
        op.f("uq_samples_dataset_id_mark"), "samples", ["dataset_id", "mark"]
    )
    mark_what_was_shredded()
    op.create_check_constraint(
        op.f("ck_samples_name_or_mark"), "samples", "(sample_id IS NULL) = (mark IS NOT NULL)"
    )
    op.create_check_constraint(
        op.f("ck_samples_marked_is_buried"), "samples", "mark IS NULL OR tombstoned_at IS NOT NULL"
    )


def mark_what_was_shredded() -> None:
    """Take the names of samples whose requests were shredded before there were marks."""
    connection = op.get_bind()
    for dataset_id, samples in connection.execute(
        sa.text("SELECT dataset_id, samples FROM lasting_tombstones")
    ).all():
        key = secrets.token_bytes(32)
        connection.execute(
            sa.text("INSERT INTO tombstone_keys VALUES (:dataset, :key, now())"),
            {"dataset": dataset_id, "key": key},
        )
        ordinals = list(Bitmap.from_bytes(samples))
        connection.execute(sa.text(MARK), {"dataset": dataset_id, "key": key, "ordinals": ordinals})


def downgrade() -> None:
    """The names are gone: the ids of marked samples become their marks, in hexadecimal."""
    for name in ("name_or_mark", "marked_is_buried"):
        op.drop_constraint(op.f(f"ck_samples_{name}"), "samples")
    op.execute("UPDATE samples SET sample_id = encode(mark, 'hex') WHERE mark IS NOT NULL")
    op.drop_column("samples", "mark")
    op.alter_column("samples", "sample_id", nullable=False)
    op.drop_table("tombstone_keys")
