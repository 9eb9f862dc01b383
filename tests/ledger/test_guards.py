"""What no code of ours may do: the database itself refuses."""

from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.db import connect, sessions_of, transaction
from app.errors import Conflict, IllegalTransition
from app.ledger import jobs, versions, withdrawing
from app.ledger.states import ErasureState, JobState, RequestState, VersionState
from app.ledger.tables import (
    Alias,
    DeletionRequest,
    Erasure,
    Job,
)
from app.ledger.transitions import move
from tests.factories import (
    NOW,
    make_erasure,
    make_job,
    make_model,
    make_request,
    make_training,
    make_version,
)
from tests.ledger.checks import check_now, undone


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
    withdrawing.withdraw_those_that_saw(session, line, old.training_set, new, now=NOW)
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

    with pytest.raises(Conflict, match="is active; retry after it has ended"):
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
