"""Tombstones in a table of their own, so that burying samples rewrites none of their rows."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

GUARD_MARK = """
CREATE FUNCTION guard_mark() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM tombstones WHERE dataset_id = NEW.dataset_id AND ordinal = NEW.ordinal;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'sample % has a mark and no tombstone', NEW.ordinal
            USING ERRCODE = 'LC008';
    END IF;
    RETURN NULL;
END $$;
"""

GUARD_TOMBSTONE = """
CREATE FUNCTION guard_tombstone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM samples
        WHERE dataset_id = OLD.dataset_id AND ordinal = OLD.ordinal AND mark IS NOT NULL;
    IF FOUND THEN
        RAISE EXCEPTION 'sample % has a mark and would have no tombstone', OLD.ordinal
            USING ERRCODE = 'LC008';
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "tombstones",
        sa.Column("dataset_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_tombstones_dataset_id")
        ),
        sa.PrimaryKeyConstraint("dataset_id", "ordinal", name=op.f("pk_tombstones")),
    )
    op.execute(
        "INSERT INTO tombstones SELECT dataset_id, ordinal, tombstoned_at FROM samples"
        " WHERE tombstoned_at IS NOT NULL"
    )
    op.drop_constraint(op.f("ck_samples_marked_is_buried"), "samples")
    op.drop_index("ix_samples_tombstones", table_name="samples")
    op.drop_column("samples", "tombstoned_at")
    for function in (GUARD_MARK, GUARD_TOMBSTONE):
        op.execute(function)
    op.execute(
        "CREATE TRIGGER guard_mark AFTER INSERT OR UPDATE OF mark, dataset_id, ordinal ON samples"
        " FOR EACH ROW WHEN (NEW.mark IS NOT NULL) EXECUTE FUNCTION guard_mark()"
    )
    op.execute(
        "CREATE TRIGGER guard_tombstone AFTER DELETE OR UPDATE OF dataset_id, ordinal"
        " ON tombstones FOR EACH ROW EXECUTE FUNCTION guard_tombstone()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER guard_mark ON samples")
    op.add_column("samples", sa.Column("tombstoned_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE samples SET tombstoned_at = placed_at FROM tombstones AS sign"
        " WHERE sign.dataset_id = samples.dataset_id AND sign.ordinal = samples.ordinal"
    )
    op.create_index(
        "ix_samples_tombstones",
        "samples",
        ["dataset_id", "ordinal"],
        unique=False,
        postgresql_where=sa.text("tombstoned_at IS NOT NULL"),
    )
    op.create_check_constraint(
        op.f("ck_samples_marked_is_buried"), "samples", "mark IS NULL OR tombstoned_at IS NOT NULL"
    )
    op.drop_table("tombstones")
    for function in ("guard_mark", "guard_tombstone"):
        op.execute(f"DROP FUNCTION {function}")
