"""Every change of state goes through here: an allowed edge, and exactly one ledger entry for it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy.orm import Session

from app.errors import IllegalTransition
from app.evidence.canonical import Json
from app.ledger import entries, outbox
from app.ledger.derived_tables import DerivedVersion
from app.ledger.states import EDGES, State
from app.ledger.tables import DeletionRequest, Erasure, Job, ModelVersion

Stateful = DeletionRequest | Erasure | Job | ModelVersion | DerivedVersion

MACHINES: dict[type[Stateful], str] = {
    DeletionRequest: "deletion_request",
    Erasure: "erasure",
    Job: "job",
    ModelVersion: "model_version",
    DerivedVersion: "derived_version",
}


def create(session: Session, row: Stateful, *, now: datetime, **facts: Json) -> None:
    """Add a row in its first state."""
    create_all(session, [row], [facts], now=now)


def create_all(
    session: Session,
    rows: Sequence[Stateful],
    facts: Sequence[Mapping[str, Json]],
    *,
    now: datetime,
) -> None:
    """Add rows in their first states, each with its facts."""
    for row, told in zip(rows, facts, strict=True):
        row.id = row.id or uuid4()
        row.revision = 0
        session.add(row)
        state_fact(session, row, now=now, facts=told)
    session.flush()  # so that two steps of one row in one transaction reach the triggers one by one


def move(session: Session, row: Stateful, state: State, *, now: datetime, **facts: Json) -> None:
    """Change a row's state, along an allowed edge only."""
    move_all(session, [row], state, [facts], now=now)


def move_all(
    session: Session,
    rows: Sequence[Stateful],
    state: State,
    facts: Sequence[Mapping[str, Json]],
    *,
    now: datetime,
) -> None:
    """Change the state of all of these rows, each with its facts."""
    for row, told in zip(rows, facts, strict=True):
        step(session, row, state, now=now, facts=told)
    session.flush()


def step(
    session: Session, row: Stateful, state: State, *, now: datetime, facts: Mapping[str, Json]
) -> None:
    """One change of state, not yet in the database."""
    machine = MACHINES[type(row)]
    if state not in EDGES[machine].get(row.state, frozenset()):
        raise IllegalTransition(f"{machine} {row.id} is {row.state}, it cannot become {state}")
    if (event := outbox.OF_EDGES.get((row.state, state))) is not None:
        outbox.note(session, event, row.id, now=now)
    row.state = state
    row.revision += 1
    state_fact(session, row, now=now, facts=facts)


def state_fact(
    session: Session, row: Stateful, *, now: datetime, facts: Mapping[str, Json]
) -> None:
    """The entry that says: this row is now in this state, and why."""
    machine = MACHINES[type(row)]
    entries.append(
        session,
        f"{machine}.{row.state}",
        machine=machine,
        row_id=row.id,
        revision=row.revision,
        now=now,
        payload={"id": str(row.id), "state": str(row.state), "at": now.isoformat(), **facts},
    )
