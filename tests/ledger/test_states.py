import json
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.evidence.canonical import commitment
from app.ledger import entries
from app.ledger.log_tables import LedgerEntry, LedgerPayload, StateEdge
from app.ledger.states import (
    EDGES,
    DerivedState,
    ErasureState,
    JobState,
    RequestState,
    VersionState,
)
from app.ledger.tables import (
    ModelVersion,
)
from app.ledger.transitions import MACHINES
from tests.factories import (
    NOW,
    make_child,
    make_erasure,
    make_job,
    make_model,
    make_request,
    make_training,
    make_version,
)
from tests.ledger.checks import check_now, undone

STATES = {
    "deletion_request": RequestState,
    "erasure": ErasureState,
    "job": JobState,
    "model_version": VersionState,
    "derived_version": DerivedState,
}
TABLES = {name: kind for kind, name in MACHINES.items()}


def make_row(session: Session, machine: str) -> Any:
    """A row in its first state or shortly after."""
    if machine == "model_version":
        return make_version(session)
    if machine == "derived_version":
        return make_child(session).row
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

    stated = session.execute(
        select(LedgerEntry, LedgerPayload)
        .join(LedgerPayload, LedgerPayload.entry_id == LedgerEntry.id)
        .where(LedgerEntry.machine == "deletion_request", LedgerEntry.row_id == request.id)
        .order_by(LedgerEntry.id)
    ).all()

    kinds = [(entry.revision, entry.kind) for entry, _ in stated]
    assert kinds == [(0, "deletion_request.received"), (1, "deletion_request.accepted")]
    for entry, opened in stated:
        assert entry.commitment == commitment(opened.salt, json.loads(opened.payload))
