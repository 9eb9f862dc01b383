from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.db import connect, sessions_of, transaction
from app.errors import Conflict, IllegalTransition
from app.ledger import entries, jobs, versions
from app.ledger.states import EDGES, ErasureState, JobState, RequestState, VersionState
from app.ledger.tables import (
    Alias,
    DeletionRequest,
    Erasure,
    Job,
    LedgerEntry,
    ModelVersion,
    StateEdge,
)
from app.ledger.transitions import MACHINES, move
from tests.factories import (
    NOW,
    make_erasure,
    make_job,
    make_model,
    make_request,
    make_training,
    make_version,
)

STATES = {
    "deletion_request": RequestState,
    "erasure": ErasureState,
    "job": JobState,
    "model_version": VersionState,
}
TABLES = {name: kind for kind, name in MACHINES.items()}


def make_row(session: Session, machine: str) -> Any:
    """A row in its first state or shortly after."""
    if machine == "model_version":
        return make_version(session)
    if machine == "job":
        return make_job(session)
    make_version(session)
    return (
        make_request(session, "ada")
        if machine == "deletion_request"
        else make_erasure(session, "ada")
    )


def force(session: Session, machine: str, row: Any, **values: Any) -> None:
    """Change a row past all code of ours."""
    table = TABLES[machine]
    session.execute(update(table).where(table.id == row.id).values(**values))


def takes(session: Session, machine: str, row: Any, old: str, new: str) -> bool:
    """Whether the database lets a row go from one state to another; nothing is changed."""
    table = TABLES[machine].__tablename__
    with undone(session):
        check_now(session)  # a table whose checks are still to come cannot be altered
        session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        force(session, machine, row, state=old)
        session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
        try:
            force(session, machine, row, state=new, revision=row.revision + 1)
        except DBAPIError as error:
            return "cannot go from" not in str(error.orig)
        return True


@contextmanager
def undone(session: Session) -> Iterator[None]:
    """What happens in the block is taken back."""
    step = session.begin_nested()
    try:
        yield
    finally:
        step.rollback()


def check_now(session: Session) -> None:
    """Have the database check at once what it checks at commit."""
    session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(text("SET CONSTRAINTS ALL DEFERRED"))


def test_the_edges_in_python_are_those_in_the_database(session: Session) -> None:
    stored = session.execute(
        select(StateEdge.machine, StateEdge.old_state, StateEdge.new_state)
    ).all()

    assert {tuple(edge) for edge in stored} == {
        (machine, old, new)
        for machine, table in EDGES.items()
        for old, following in table.items()
        for new in following
    }


@pytest.mark.parametrize("machine", EDGES)
def test_every_state_is_reached_by_some_edge_and_none_is_unknown(machine: str) -> None:
    table = EDGES[machine]

    reached = {new for following in table.values() for new in following}

    assert reached == set(STATES[machine])
    assert set(table) - {""} <= set(STATES[machine])


@pytest.mark.parametrize("machine", EDGES)
def test_the_database_takes_the_steps_of_the_table_and_no_other(
    session: Session, machine: str
) -> None:
    row = make_row(session, machine)

    taken = {
        (old, new)
        for old in STATES[machine]
        for new in STATES[machine]
        if old != new and takes(session, machine, row, old, new)
    }

    assert taken == {
        (old, new) for old, following in EDGES[machine].items() if old for new in following
    }


@pytest.mark.parametrize(
    ("state", "revision"), [("cancelled", 0), ("cancelled", 2), ("pending", 1)]
)
def test_a_revision_that_does_not_follow_is_refused(
    session: Session, state: str, revision: int
) -> None:
    make_version(session)
    erasure = make_erasure(session, "ada")

    with pytest.raises(DBAPIError, match="revision"), session.begin_nested():
        force(session, "erasure", erasure, state=state, revision=revision)


def test_a_row_cannot_be_born_in_a_later_state(session: Session) -> None:
    line = make_model(session)

    with (
        pytest.raises(DBAPIError, match='cannot go from "" to "published"'),
        session.begin_nested(),
    ):
        session.execute(
            insert(ModelVersion).values(
                model_id=line.id,
                number=1,
                state=VersionState.PUBLISHED,
                made_by="uploaded",
                weights_digest="",
                training_set=Bitmap(),
                training_set_digest="",
                manifest={},
                created_at=NOW,
            )
        )


def test_a_step_without_a_ledger_entry_is_refused_at_commit(session: Session) -> None:
    make_version(session)
    erasure = make_erasure(session, "ada")

    with undone(session):
        force(session, "erasure", erasure, state="cancelled", revision=erasure.revision + 1)
        with pytest.raises(DBAPIError, match='became "cancelled" without a ledger entry'):
            check_now(session)


def test_a_step_cannot_have_two_entries(session: Session) -> None:
    job = make_training(session)

    with pytest.raises(IntegrityError, match="uq_ledger_entries"), session.begin_nested():
        entries.append(
            session,
            "job.queued",
            machine="job",
            row_id=job.id,
            revision=job.revision,
            now=NOW,
            payload={},
        )


def test_each_step_appends_one_entry_that_commits_to_its_payload(session: Session) -> None:
    make_version(session)
    request = make_request(session, "ada")

    kinds = session.scalars(
        select(LedgerEntry.kind).where(LedgerEntry.row_id == request.id).order_by(LedgerEntry.id)
    ).all()

    assert kinds == ["deletion_request.received", "deletion_request.accepted"]
    assert request.revision == 1


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entries SET kind = 'other'",
        "DELETE FROM ledger_entries",
        "TRUNCATE ledger_entries CASCADE",
    ],
)
def test_entries_cannot_be_changed(session: Session, statement: str) -> None:
    make_model(session)

    with pytest.raises(DBAPIError, match="append-only"), session.begin_nested():
        session.execute(text(statement))


def test_a_payload_can_be_shredded_while_its_entry_stays(session: Session) -> None:
    make_model(session)

    session.execute(text("DELETE FROM ledger_payloads"))

    assert session.scalar(text("SELECT count(*) FROM ledger_entries")) == 3


def test_an_alias_cannot_point_at_a_withdrawn_version(session: Session) -> None:
    line = make_model(session)
    old, new = make_version(session, line), make_version(session, line)
    versions.withdraw_those_that_saw(session, line, old.training_set, new, now=NOW)
    session.flush()

    with (
        pytest.raises(DBAPIError, match="must point at a published version"),
        session.begin_nested(),
    ):
        versions.point(session, line, "stable", old, now=NOW)


def test_an_alias_cannot_point_at_another_models_version(session: Session) -> None:
    line = make_model(session)
    other = make_version(session, make_model(session, line.dataset, "other"))

    with (
        pytest.raises(DBAPIError, match="must point at a published version"),
        session.begin_nested(),
    ):
        versions.point(session, line, "stable", other, now=NOW)


def test_a_version_that_an_alias_points_at_cannot_be_withdrawn(session: Session) -> None:
    version = make_version(session)

    with undone(session):
        move(session, version, VersionState.WITHDRAWN, now=NOW)
        with pytest.raises(DBAPIError, match="an alias still points at"):
            check_now(session)


def test_a_model_has_at_most_one_active_job(session: Session) -> None:
    parent = make_version(session)
    job = make_job(session, parent=parent)

    with pytest.raises(Conflict, match="has an active job already"):
        make_job(session, parent=parent)
    with (
        pytest.raises(IntegrityError, match="uq_jobs_one_active_per_model"),
        session.begin_nested(),
    ):
        session.execute(insert(Job).from_select(*copy_of(job)))


def copy_of(job: Job) -> tuple[list[str], Any]:
    """The row once more, under a new id."""
    columns = [column for column in Job.__table__.columns if column.name != "id"]
    query = select(text("gen_random_uuid()"), *columns).where(Job.id == job.id)
    return ["id", *(column.name for column in columns)], query


def test_a_job_makes_at_most_one_version(session: Session) -> None:
    line = make_model(session)
    job = make_training(session, line)
    made: dict[str, Any] = {
        "made_by": "trained",
        "weights_digest": "",
        "training_set": Bitmap([1]),
        "manifest": {},
        "now": NOW,
    }
    versions.publish(session, line, job_id=job.id, **made)

    with pytest.raises(IntegrityError, match="uq_model_versions_job_id"), session.begin_nested():
        versions.publish(session, line, job_id=job.id, **made)


def test_a_finished_job_cannot_be_reopened(session: Session) -> None:
    job = make_job(session)
    jobs.finish(session, job, JobState.CANCELLED, now=NOW)

    with pytest.raises(IllegalTransition, match="is cancelled, it cannot become assessing"):
        move(session, job, JobState.ASSESSING, now=NOW)


def test_two_who_step_from_the_same_state_cannot_both_succeed(fresh_database: str) -> None:
    engine = connect(fresh_database)
    with transaction(sessions_of(engine)) as session:
        make_version(session)
        request_id = make_request(session, "ada").id
    first, second = Session(engine), Session(engine)
    mine, theirs = (s.get_one(DeletionRequest, request_id) for s in (first, second))

    move(first, mine, RequestState.IN_PROGRESS, now=NOW)
    first.commit()

    with pytest.raises(DBAPIError, match=r"revision|uq_ledger_entries"):
        move(second, theirs, RequestState.ON_HOLD, now=NOW)
    second.rollback()
    engine.dispose()


def test_deleting_an_alias_is_no_way_around(session: Session) -> None:
    version = make_version(session)
    session.execute(delete(Alias).where(Alias.version_id == version.id))
    move(session, version, VersionState.WITHDRAWN, now=NOW)

    with (
        pytest.raises(DBAPIError, match="must point at a published version"),
        session.begin_nested(),
    ):
        session.execute(
            insert(Alias).values(
                model_id=version.model_id, name="live", version_id=version.id, moved_at=NOW
            )
        )


def test_an_erasure_knows_its_first_state(session: Session) -> None:
    make_version(session)

    erasure = make_erasure(session, "ada")

    assert session.get_one(Erasure, erasure.id).state is ErasureState.PENDING
