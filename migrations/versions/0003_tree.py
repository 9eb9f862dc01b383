"""The Merkle tree over the entries, its signed checkpoints, and what shredding needs.

What is appended here stays: `refuse_rewriting`. A checkpoint must cover more entries than the one
before, and every entry up to its size: `guard_checkpoint`. That its root extends the last one's
is more than SQL can say; the sequencer sees to it, and `lacuna ledger verify` looks again.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

APPEND_ONLY = ("ledger_leaves", "ledger_nodes", "ledger_checkpoints")

REFUSE_REWRITING = """
CREATE FUNCTION refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'LC003';
END $$;
"""

# For each statement and not for each row: an import may append many at once.
AWAIT_SEQUENCING = """
CREATE FUNCTION await_sequencing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO ledger_pending (entry_id) SELECT id FROM appended;
    RETURN NULL;
END $$;
"""

GUARD_CHECKPOINT = """
CREATE FUNCTION guard_checkpoint() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last_size bigint := coalesce((SELECT max(size) FROM ledger_checkpoints), 0);
    entered bigint := (SELECT count(*) FROM ledger_leaves WHERE index >= last_size);
    beyond boolean := EXISTS (SELECT FROM ledger_leaves WHERE index >= NEW.size);
BEGIN
    IF NEW.size <= last_size THEN
        RAISE EXCEPTION 'a checkpoint of % entries does not extend the last, of %',
            NEW.size, last_size USING ERRCODE = 'LC005';
    END IF;
    IF beyond OR entered <> NEW.size - last_size THEN
        RAISE EXCEPTION 'a checkpoint of % entries does not cover what was entered since %',
            NEW.size, last_size USING ERRCODE = 'LC005';
    END IF;
    RETURN NEW;
END $$;
"""


def upgrade() -> None:
    make_tables()
    op.add_column(
        "ledger_payloads",
        sa.Column("signatures", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
    )
    op.add_column(
        "deletion_requests", sa.Column("shredded_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.create_index(
        "ix_deletion_requests_kept",
        "deletion_requests",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("shredded_at IS NULL"),
    )
    for function in (REFUSE_REWRITING, AWAIT_SEQUENCING, GUARD_CHECKPOINT):
        op.execute(function)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION refuse_rewriting()"
        )
        op.execute(
            f"CREATE TRIGGER never_truncated BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
        )
    op.execute(
        "CREATE TRIGGER await_sequencing AFTER INSERT ON ledger_entries "
        "REFERENCING NEW TABLE AS appended "
        "FOR EACH STATEMENT EXECUTE FUNCTION await_sequencing()"
    )
    op.execute(
        "CREATE TRIGGER guard_checkpoint BEFORE INSERT ON ledger_checkpoints "
        "FOR EACH ROW EXECUTE FUNCTION guard_checkpoint()"
    )
    op.execute("INSERT INTO ledger_pending (entry_id) SELECT id FROM ledger_entries")


def make_tables() -> None:
    op.create_table(
        "ledger_pending",
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.id"], name=op.f("fk_ledger_pending_entry_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_ledger_pending")),
    )
    op.create_table(
        "ledger_leaves",
        sa.Column("index", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["ledger_entries.id"], name=op.f("fk_ledger_leaves_entry_id")
        ),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_ledger_leaves")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_ledger_leaves_entry_id")),
    )
    op.create_table(
        "ledger_nodes",
        sa.Column("level", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("level > 0", name=op.f("ck_ledger_nodes_above_the_leaves")),
        sa.PrimaryKeyConstraint("level", "offset", name=op.f("pk_ledger_nodes")),
    )
    op.create_table(
        "ledger_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_ledger_checkpoints")),
    )
    op.create_table(
        "sample_commitments",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", name=op.f("pk_sample_commitments")),
    )
    op.create_table(
        "lasting_tombstones",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("samples", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_lasting_tombstones_dataset_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", name=op.f("pk_lasting_tombstones")),
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER await_sequencing ON ledger_entries")
    op.drop_index(
        "ix_deletion_requests_kept",
        table_name="deletion_requests",
        postgresql_where=sa.text("shredded_at IS NULL"),
    )
    op.drop_column("deletion_requests", "shredded_at")
    op.drop_column("ledger_payloads", "signatures")
    for table in (
        "lasting_tombstones",
        "sample_commitments",
        "ledger_checkpoints",
        "ledger_nodes",
        "ledger_leaves",
        "ledger_pending",
    ):
        op.drop_table(table)
    for function in ("guard_checkpoint", "await_sequencing", "refuse_rewriting"):
        op.execute(f"DROP FUNCTION {function}")
