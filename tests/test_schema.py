import json
from hashlib import sha256
from unittest.mock import ANY

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from app.bitmap import Bitmap
from app.db import Base, connect
from app.ledger import tables
from app.schema import configured, is_current, upgrade
from models.calibration import Calibration

OURS = (
    "SELECT count(*) FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace"
    " WHERE n.nspname = 'public'"
)


def test_the_migrations_make_the_tables_that_the_code_describes(engine: Engine) -> None:
    assert tables.Dataset.metadata is Base.metadata

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_the_migrations_can_be_taken_back_and_run_again(fresh_database: str) -> None:
    assert is_current(fresh_database)

    command.downgrade(configured(fresh_database), "base")
    engine = connect(fresh_database)
    with engine.connect() as connection:
        left = set(inspect(connection).get_table_names())
        functions = connection.scalar(text(OURS))
    engine.dispose()

    assert left == {"alembic_version"}
    assert functions == 0
    assert not is_current(fresh_database)
    upgrade(fresh_database)
    assert is_current(fresh_database)


def test_samples_whose_requests_were_shredded_before_there_were_marks_lose_their_names(
    fresh_database: str,
) -> None:
    command.downgrade(configured(fresh_database), "0014")
    engine = connect(fresh_database)
    with engine.begin() as connection:
        for statement in EARLIER:
            connection.execute(text(statement), {"buried": Bitmap([0, 1]).to_bytes()})

    upgrade(fresh_database)

    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM samples ORDER BY ordinal")).mappings().all()
        key = connection.execute(text("SELECT key FROM tombstone_keys")).scalar_one()
    engine.dispose()
    assert [row["sample_id"] for row in rows] == [None, None, "c"]
    assert [row["mark"] for row in rows] == [sha256(key + b"a").digest(), ANY, None]
    assert rows[0]["subject_key"] == rows[1]["subject_key"] != b"ada"
    assert rows[2]["subject_key"] == b"ben"


def test_tombstones_outlive_the_move_to_their_own_table_and_back(fresh_database: str) -> None:
    command.downgrade(configured(fresh_database), "0014")
    engine = connect(fresh_database)
    with engine.begin() as connection:
        for statement in EARLIER:
            connection.execute(text(statement), {"buried": Bitmap([0]).to_bytes()})

    upgrade(fresh_database)
    with engine.connect() as connection:
        moved = connection.scalars(text("SELECT ordinal FROM tombstones ORDER BY 1")).all()
    command.downgrade(configured(fresh_database), "0018")
    with engine.connect() as connection:
        back = connection.scalars(
            text("SELECT ordinal FROM samples WHERE tombstoned_at IS NOT NULL ORDER BY 1")
        ).all()

    engine.dispose()
    assert moved == back == [0, 1]


EARLIER = (
    "INSERT INTO datasets (id, name, size, created_at) VALUES (gen_random_uuid(), 'x', 3, now())",
    "INSERT INTO samples SELECT id, 0, 'a', 'ada', now() FROM datasets",
    "INSERT INTO samples SELECT id, 1, 'b', 'ada', now() FROM datasets",
    "INSERT INTO samples SELECT id, 2, 'c', 'ben', NULL FROM datasets",
    "INSERT INTO lasting_tombstones SELECT id, :buried FROM datasets",
)


def test_what_was_shredded_and_withdrawn_before_is_still_counted_and_explained(
    fresh_database: str,
) -> None:
    command.downgrade(configured(fresh_database), "0016")
    engine = connect(fresh_database)
    with engine.begin() as connection:
        for statement in SHREDDED:
            connection.execute(text(statement), {"empty": EMPTY, "some": Bitmap([1]).to_bytes()})

    upgrade(fresh_database)

    with engine.connect() as connection:
        jobs = connection.execute(text("SELECT kind, forget_size FROM jobs ORDER BY seed")).all()
        reasons = connection.execute(
            text("SELECT withdrawal_reason FROM model_versions ORDER BY number")
        ).scalars()
        assert jobs == [("unlearn", 7), ("unlearn", None), ("train", None)]
        assert list(reasons) == ["forgotten_samples", None]
    engine.dispose()


EMPTY = Bitmap().to_bytes()
SHREDDED = (
    "SET LOCAL session_replication_role = replica",  # rows without their history
    "INSERT INTO datasets (id, name, size, created_at) VALUES (gen_random_uuid(), 'x', 3, now())",
    "INSERT INTO models (id, name, recipe, dataset_id, policy, created_at)"
    " SELECT gen_random_uuid(), 'm', 'tiny', id, '{}', now() FROM datasets",
    """
    INSERT INTO jobs (id, model_id, kind, state, revision, forget_set, training_set, seed,
        created_at, attempt, fence, progress, parent_version_id)
    SELECT gen_random_uuid(), id, kind, 'succeeded', 0, forget, :some, seed,
        now(), 1, 1, '{}', CAST(parent AS uuid)
    FROM models, (VALUES (0, 'unlearn', CAST(:empty AS bytea), gen_random_uuid()),
        (1, 'unlearn', :some, gen_random_uuid()), (2, 'train', :empty, NULL)
    ) AS given (seed, kind, forget, parent)
    """,
    """
    INSERT INTO model_versions (id, model_id, number, state, revision, made_by, weights_digest,
        training_set, training_set_digest, manifest, created_at, withdrawn_at)
    SELECT gen_random_uuid(), id, number, state, 0, 'trained', 'w', :some, 't', '{}', now(), gone
    FROM models, (VALUES (1, 'withdrawn', now()), (2, 'published', NULL)
    ) AS given (number, state, gone)
    """,
    "INSERT INTO ledger_entries (kind, machine, row_id, revision, hour, commitment)"
    " SELECT 'job.queued', 'job', id, 0, now(), '' FROM jobs",
    "INSERT INTO ledger_payloads (entry_id, salt, payload)"
    """ SELECT id, '', '{"forget": 7}' FROM ledger_entries""",
)


def test_thresholds_of_an_older_calibration_are_kept_and_its_trials_are_asked_again(
    fresh_database: str,
) -> None:
    command.downgrade(configured(fresh_database), "0019")
    engine = connect(fresh_database)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text(CALIBRATED), {"taught": json.dumps(EARLIER_TAUGHT)})

    upgrade(fresh_database)

    with engine.connect() as connection:
        taught = connection.execute(text("SELECT taught FROM calibrations")).scalar_one()
    engine.dispose()
    found = Calibration.of(taught)
    assert (found.stratum_share, found.precedents) == (0.2, ())
    assert found.record().keys() == taught.keys()


CALIBRATED = (
    "INSERT INTO calibrations (model_id, job_id, method, taught, made_at)"
    " VALUES (gen_random_uuid(), gen_random_uuid(), 'hamu', :taught, now())"
)
EARLIER_TAUGHT = {
    "rule": "matched",
    "stratum_share": 0.2,
    "memorized_share": None,
    "exposed_share": None,
    "unlearn_share": 0.1,
    "trials": 4,
    "escalated": 1,
}


def test_an_upgrade_of_a_current_database_changes_nothing(fresh_database: str) -> None:
    upgrade(fresh_database)

    assert is_current(fresh_database)


def test_every_foreign_key_that_rows_are_looked_up_by_has_an_index(engine: Engine) -> None:
    wanted = {
        ("erasures", "request_id"),
        ("erasures", "job_id"),
        ("request_samples", "request_id"),
        ("model_versions", "model_id"),
        ("samples", "subject_key"),
    }

    with engine.connect() as connection:
        inspector = inspect(connection)
        first_columns = {
            (table, index["column_names"][0])
            for table in inspector.get_table_names()
            for index in inspector.get_indexes(table)
        }
        for table in inspector.get_table_names():
            first_columns.add((table, inspector.get_pk_constraint(table)["constrained_columns"][0]))
            for unique in inspector.get_unique_constraints(table):
                first_columns.add((table, unique["column_names"][0]))

    assert wanted <= first_columns
