"""No child of a withdrawn version stays in use: not by our code, and not by the database."""

from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.db import transaction
from app.ledger import batching, derived, model_lines, versions
from app.ledger.derived_tables import DerivedVersion
from app.ledger.lineage import Incomplete
from app.ledger.states import DerivedState, RequestState, VersionState
from app.ledger.tables import DeletionRequest, ModelVersion
from app.ledger.transitions import move
from tests.factories import NOW, make_child, make_request, make_version, run_through
from tests.ledger.checks import check_now, undone
from tests.ledger.conftest import Background, waits
from tests.ledger.signing import tamper

TAKEN_BACK = "UPDATE derived_versions SET state = 'in_use'"


def withdraw_alone(session: Session, version: ModelVersion) -> None:
    """A bug: the version goes and its children stay."""
    session.execute(text("DELETE FROM aliases"))
    move(session, version, VersionState.WITHDRAWN, now=NOW)


def bring_the_child_back(session: Session, version: ModelVersion) -> None:
    """A bug, or somebody at the database: the child of a withdrawn version is in use again."""
    withdraw_alone(session, version)
    derived.withdraw_children(session, [version], now=NOW)
    check_now(session)
    session.execute(text("ALTER TABLE derived_versions DISABLE TRIGGER guard_state"))
    session.execute(text(TAKEN_BACK))


@pytest.mark.parametrize("spoil", [withdraw_alone, bring_the_child_back])
def test_the_database_refuses_a_child_in_use_of_a_withdrawn_version(
    session: Session, spoil: Callable[[Session, ModelVersion], None]
) -> None:
    child = make_child(session)

    with undone(session):
        spoil(session, child.parent)
        with pytest.raises(DBAPIError, match="was withdrawn, and one derived from it was not"):
            check_now(session)


def test_a_request_is_not_completed_while_a_child_that_saw_it_is_in_use(session: Session) -> None:
    """A bug in withdrawing: nothing is published, and the children are named."""
    version = make_version(session)
    child = make_child(session, version)
    make_child(session, version, name="acme-q8")
    make_request(session, "ada")
    job = batching.batch(session, version.model_id, now=NOW, flush=True)
    assert job is not None
    session.flush()
    tamper(
        session,
        "UPDATE model_versions SET state = 'withdrawn' WHERE id = :id",
        id=version.id,
    )

    with (
        pytest.raises(Incomplete, match="'acme-ft', derived from version 1") as refusal,
        session.begin_nested(),
    ):
        run_through(session, job)

    assert "'acme-q8'" in str(refusal.value)
    session.expire_all()
    assert session.get_one(DerivedVersion, child.row.id).state is DerivedState.IN_USE
    assert session.query(DeletionRequest).one().state is RequestState.IN_PROGRESS


def test_children_of_all_withdrawn_versions_go_and_those_of_others_stay(session: Session) -> None:
    first = make_version(session)
    line = model_lines.by_id(session, first.model_id)
    second = make_version(session, line)
    gone = [make_child(session, version) for version in (first, second)]
    make_request(session, "ada")
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    third = run_through(session, job)
    kept = make_child(session, third)

    assert [child.row.state for child in gone] == [DerivedState.WITHDRAWN] * 2
    assert kept.row.state is DerivedState.IN_USE


def test_no_child_slips_in_while_its_parent_is_withdrawn(
    sessions: sessionmaker[Session], background: Background
) -> None:
    with transaction(sessions) as session:
        version = make_version(session)
        make_request(session, "ada")
        job = batching.batch(session, version.model_id, now=NOW, flush=True)
        assert job is not None

    with transaction(sessions) as session:
        run_through(session, session.merge(job))
        registering = background(lambda s: make_child(s, versions.by_id(s, version.id)).row.state)
        assert waits(registering)

    assert registering.result(10) is DerivedState.WITHDRAWN
