"""Laws of requests, versions derived elsewhere, cosignatures, and why nothing is signed.

What was derived from a version is withdrawn with it: `require_children_withdrawn`.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


STATES = ("in_use", "withdrawn", "confirmed")
DERIVATIONS = ("fine_tune", "distillation", "quantisation", "merge", "other")
EDGES = (
    ("", "in_use"),
    ("", "withdrawn"),
    ("in_use", "withdrawn"),
    ("in_use", "confirmed"),
    ("withdrawn", "confirmed"),
)

# Looked at from both sides: when the parent is withdrawn, and when a child is written.
REQUIRE_CHILDREN_WITHDRAWN = """
CREATE FUNCTION require_children_withdrawn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM derived_versions AS child JOIN model_versions AS parent
        ON parent.id = child.version_id
        WHERE NEW.id IN (child.id, parent.id)
          AND child.state = 'in_use' AND parent.state IN ('withdrawn', 'purged');
    IF FOUND THEN
        RAISE EXCEPTION 'a version was withdrawn, and one derived from it was not: %', NEW.id
            USING ERRCODE = 'LC007';
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    add_law()
    add_derived_versions()
    add_cosignatures()
    add_signing_refusals()


def add_law() -> None:
    # Every request so far was answered under the GDPR; from now on each says so itself.
    op.add_column(
        "deletion_requests",
        sa.Column("law", text_of("law", "gdpr", "ccpa"), nullable=False, server_default="gdpr"),
    )
    op.alter_column("deletion_requests", "law", server_default=None)
    op.add_column(
        "deletion_requests", sa.Column("confirm_by", sa.DateTime(timezone=True), nullable=True)
    )


def add_derived_versions() -> None:
    op.create_table(
        "derived_versions",
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("state", text_of("derivedstate", *STATES), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("weights_digest", sa.String(), nullable=True),
        sa.Column("how", text_of("derivation", *DERIVATIONS), nullable=False),
        sa.Column("contact", sa.String(), nullable=False),
        sa.Column("registered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("notice", sa.String(), nullable=True),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["version_id"], ["model_versions.id"], name=op.f("fk_derived_versions_version_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_derived_versions")),
        sa.UniqueConstraint("version_id", "name", name=op.f("uq_derived_versions_version_id_name")),
    )
    edges = sa.table(
        "state_edges", sa.column("machine"), sa.column("old_state"), sa.column("new_state")
    )
    rows = [
        {"machine": "derived_version", "old_state": old, "new_state": new} for old, new in EDGES
    ]
    op.bulk_insert(edges, rows)
    op.execute(REQUIRE_CHILDREN_WITHDRAWN)
    op.execute(
        "CREATE TRIGGER guard_state BEFORE INSERT OR UPDATE ON derived_versions "
        "FOR EACH ROW EXECUTE FUNCTION guard_state('derived_version')"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER require_entry AFTER INSERT OR UPDATE OF state "
        "ON derived_versions DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION require_entry('derived_version')"
    )
    for table, when in (("derived_versions", "INSERT OR UPDATE"), ("model_versions", "UPDATE")):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER require_children_withdrawn AFTER {when} OF state "
            f"ON {table} DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION require_children_withdrawn()"
        )


def add_cosignatures() -> None:
    op.create_table(
        "ledger_cosignatures",
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("vkey", sa.String(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["size"], ["ledger_checkpoints.size"], name=op.f("fk_ledger_cosignatures_size")
        ),
        sa.PrimaryKeyConstraint("size", "vkey", name=op.f("pk_ledger_cosignatures")),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger_cosignatures "
        "FOR EACH ROW EXECUTE FUNCTION refuse_rewriting()"
    )
    op.execute(
        "CREATE TRIGGER never_truncated BEFORE TRUNCATE ON ledger_cosignatures "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_rewriting()"
    )


def add_signing_refusals() -> None:
    op.create_table(
        "signing_refusals",
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("pk_signing_refusals")),
    )


def text_of(name: str, *members: str) -> sa.Enum:
    return sa.Enum(*members, name=name, native_enum=False, length=32)


def downgrade() -> None:
    op.drop_table("signing_refusals")
    op.drop_table("ledger_cosignatures")
    op.execute("DROP TRIGGER require_children_withdrawn ON model_versions")
    op.drop_table("derived_versions")
    op.execute("DROP FUNCTION require_children_withdrawn")
    op.execute("DELETE FROM state_edges WHERE machine = 'derived_version'")
    op.drop_column("deletion_requests", "confirm_by")
    op.drop_column("deletion_requests", "law")
