"""States follow the table of edges, every step has its entry, entries are append-only.

What no code of ours may break (design.md, section 4) is kept by the database itself:
I4 in `guard_state` and `require_entry`, I5 in `guard_alias` and `require_no_alias`.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

MACHINES = {
    "deletion_request": "deletion_requests",
    "erasure": "erasures",
    "job": "jobs",
    "model_version": "model_versions",
}

# Copied, not imported: a migration says what was true when it was written.
EDGES = {
    "deletion_request": {
        "": ["received"],
        "received": ["verifying", "accepted", "denied", "cancelled", "on_hold"],
        "verifying": ["accepted", "denied", "cancelled", "on_hold"],
        "accepted": [
            "in_progress",
            "completed",
            "completed_no_data",
            "denied",
            "cancelled",
            "on_hold",
        ],
        "in_progress": ["accepted", "completed", "cancelled", "on_hold"],
        "on_hold": ["accepted", "denied", "cancelled"],
    },
    "erasure": {
        "": ["pending"],
        "pending": ["batched", "cleared", "cancelled", "on_hold"],
        "batched": ["pending", "forgotten", "cancelled"],
        "on_hold": ["pending", "cancelled"],
    },
    "job": {
        "": ["queued"],
        "queued": ["training", "assessing", "failed", "cancelled"],
        "training": ["publishing", "failed", "cancelled"],
        "assessing": ["awaiting_approval", "unlearning", "auditing", "failed", "cancelled"],
        "awaiting_approval": ["unlearning", "auditing", "publishing", "failed", "cancelled"],
        "unlearning": ["auditing", "failed", "cancelled"],
        "auditing": ["unlearning", "awaiting_approval", "publishing", "failed", "cancelled"],
        "publishing": ["succeeded", "training", "failed", "cancelled"],
    },
    "model_version": {
        "": ["candidate"],
        "candidate": ["published", "purged"],
        "published": ["withdrawn"],
        "withdrawn": ["purged"],
    },
}

GUARD_STATE = """
CREATE FUNCTION guard_state() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    came_from text := '';
    expected integer := 0;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        came_from := OLD.state;
        expected := OLD.revision + 1;
        IF NEW.state = OLD.state THEN
            IF NEW.revision <> OLD.revision THEN
                RAISE EXCEPTION '% %: the revision changed without the state', TG_ARGV[0], NEW.id
                    USING ERRCODE = 'LC001';
            END IF;
            RETURN NEW;
        END IF;
    END IF;
    IF NEW.revision <> expected THEN
        RAISE EXCEPTION '% %: revision %, not %', TG_ARGV[0], NEW.id, NEW.revision, expected
            USING ERRCODE = 'LC001';
    END IF;
    PERFORM FROM state_edges AS edge
        WHERE edge.machine = TG_ARGV[0] AND edge.old_state = came_from
          AND edge.new_state = NEW.state;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% % cannot go from "%" to "%"', TG_ARGV[0], NEW.id, came_from, NEW.state
            USING ERRCODE = 'LC001';
    END IF;
    RETURN NEW;
END $$;
"""

REQUIRE_ENTRY = """
CREATE FUNCTION require_entry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM ledger_entries
        WHERE machine = TG_ARGV[0] AND row_id = NEW.id AND revision = NEW.revision;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% % became "%" without a ledger entry', TG_ARGV[0], NEW.id, NEW.state
            USING ERRCODE = 'LC002';
    END IF;
    RETURN NULL;
END $$;
"""

REFUSE_CHANGE = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'ledger entries are append-only: % refused', TG_OP USING ERRCODE = 'LC003';
END $$;
"""

GUARD_ALIAS = """
CREATE FUNCTION guard_alias() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM model_versions
        WHERE id = NEW.version_id AND model_id = NEW.model_id AND state = 'published'
        FOR SHARE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'alias "%" must point at a published version of its model', NEW.name
            USING ERRCODE = 'LC004';
    END IF;
    RETURN NEW;
END $$;
"""

REQUIRE_NO_ALIAS = """
CREATE FUNCTION require_no_alias() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM aliases WHERE version_id = NEW.id;
    IF FOUND AND NEW.state IN ('withdrawn', 'purged') THEN
        RAISE EXCEPTION 'an alias still points at version %, which is %', NEW.id, NEW.state
            USING ERRCODE = 'LC004';
    END IF;
    RETURN NULL;
END $$;
"""


def upgrade() -> None:
    edges = sa.table(
        "state_edges", sa.column("machine"), sa.column("old_state"), sa.column("new_state")
    )
    op.bulk_insert(
        edges,
        [
            {"machine": machine, "old_state": old, "new_state": new}
            for machine, table in EDGES.items()
            for old, following in table.items()
            for new in following
        ],
    )
    for function in (GUARD_STATE, REQUIRE_ENTRY, REFUSE_CHANGE, GUARD_ALIAS, REQUIRE_NO_ALIAS):
        op.execute(function)
    for machine, table in MACHINES.items():
        op.execute(
            f"CREATE TRIGGER guard_state BEFORE INSERT OR UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION guard_state('{machine}')"
        )
        op.execute(
            f"CREATE CONSTRAINT TRIGGER require_entry AFTER INSERT OR UPDATE OF state ON {table} "
            "DEFERRABLE INITIALLY DEFERRED "
            f"FOR EACH ROW EXECUTE FUNCTION require_entry('{machine}')"
        )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger_entries "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER never_truncated BEFORE TRUNCATE ON ledger_entries "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        "CREATE TRIGGER guard_alias BEFORE INSERT OR UPDATE ON aliases "
        "FOR EACH ROW EXECUTE FUNCTION guard_alias()"
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER require_no_alias AFTER UPDATE OF state ON model_versions "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION require_no_alias()"
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER require_no_alias ON model_versions")
    op.execute("DROP TRIGGER guard_alias ON aliases")
    op.execute("DROP TRIGGER never_truncated ON ledger_entries")
    op.execute("DROP TRIGGER append_only ON ledger_entries")
    for table in MACHINES.values():
        op.execute(f"DROP TRIGGER require_entry ON {table}")
        op.execute(f"DROP TRIGGER guard_state ON {table}")
    for function in (
        "require_no_alias",
        "guard_alias",
        "refuse_change",
        "require_entry",
        "guard_state",
    ):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DELETE FROM state_edges")
