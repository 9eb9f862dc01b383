"""A due date moves later with one extension and its entry only (I7); near ones are marked."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OPEN = "state NOT IN ('completed', 'completed_no_data', 'denied', 'cancelled')"

REQUIRE_EXTENSION = """
CREATE FUNCTION require_extension() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.due_at <= OLD.due_at THEN
        RETURN NULL;
    END IF;
    PERFORM FROM extensions JOIN ledger_entries AS entry
        ON entry.machine = 'extension' AND entry.row_id = request_id AND entry.revision = 0
        WHERE request_id = NEW.id AND due_before = OLD.due_at AND due_after = NEW.due_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the due date of request % moved later without an extension entry', NEW.id
            USING ERRCODE = 'LC006';
    END IF;
    RETURN NULL;
END $$;
"""

REQUIRE_REQUESTS_DUE_DATE = """
CREATE FUNCTION require_requests_due_date() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM deletion_requests WHERE id = NEW.request_id AND due_at >= NEW.due_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'erasure % is due later than its request', NEW.id USING ERRCODE = 'LC006';
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    make_tables()
    op.create_index(
        "ix_deletion_requests_open",
        "deletion_requests",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text(OPEN),
    )
    op.execute("INSERT INTO state_edges VALUES ('deletion_request', 'on_hold', 'in_progress')")
    for function in (REQUIRE_EXTENSION, REQUIRE_REQUESTS_DUE_DATE):
        op.execute(function)
    op.execute(
        "CREATE CONSTRAINT TRIGGER require_extension AFTER UPDATE OF due_at ON deletion_requests "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_extension()"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER require_requests_due_date "
        "AFTER INSERT OR UPDATE OF due_at ON erasures DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION require_requests_due_date()"
    )
    # The notice may be shredded; what was extended until when may not be changed.
    op.execute(
        "CREATE TRIGGER append_only "
        "BEFORE UPDATE OF request_id, due_before, due_after OR DELETE ON extensions "
        "FOR EACH ROW EXECUTE FUNCTION refuse_rewriting()"
    )


def make_tables() -> None:
    op.create_table(
        "extensions",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column(
            "reason",
            sa.Enum(
                "complexity",
                "number_of_requests",
                name="extensionreason",
                native_enum=False,
                length=32,
            ),
            nullable=False,
        ),
        sa.Column("notice", sa.String(), nullable=True),
        sa.Column("due_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("extended_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("due_after > due_before", name=op.f("ck_extensions_later")),
        sa.CheckConstraint(
            "extended_at <= due_before", name=op.f("ck_extensions_inside_the_first_period")
        ),
        sa.ForeignKeyConstraint(
            ["request_id"], ["deletion_requests.id"], name=op.f("fk_extensions_request_id")
        ),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_extensions")),
    )
    op.create_table(
        "due_marks",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "urgency",
            sa.Enum("at_risk", "overdue", name="urgency", native_enum=False, length=32),
            nullable=False,
        ),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"], ["deletion_requests.id"], name=op.f("fk_due_marks_request_id")
        ),
        sa.PrimaryKeyConstraint("request_id", "due_at", "urgency", name=op.f("pk_due_marks")),
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER require_requests_due_date ON erasures")
    op.execute("DROP TRIGGER require_extension ON deletion_requests")
    op.drop_index(
        "ix_deletion_requests_open",
        table_name="deletion_requests",
        postgresql_where=sa.text(OPEN),
    )
    op.drop_table("due_marks")
    op.drop_table("extensions")
    for function in ("require_requests_due_date", "require_extension"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute(
        "DELETE FROM state_edges WHERE machine = 'deletion_request' "
        "AND old_state = 'on_hold' AND new_state = 'in_progress'"
    )
