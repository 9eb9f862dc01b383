"""Every change of state goes through here: an allowed edge, and exactly one ledger entry for it."""

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from sqlalchemy.orm import Session

from app.errors import IllegalTransition
from app.evidence.canonical import Json
from app.ledger import entries, outbox
from app.ledger.derived_tables import DerivedVersion
from app.ledger.entries import Fact
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
    row.id = row.id or uuid4()
    row.revision = 0
    session.add(row)
    entries.enter(session, fact_of(row, now=now, facts=facts), now=now)
    session.flush()  # so that two steps of one row in one transaction reach the triggers one by one


def move(session: Session, row: Stateful, state: State, *, now: datetime, **facts: Json) -> None:
    """Change a row's state, along an allowed edge only."""
    came_from = row.state
    fact = stepped(row, state, now=now, facts=facts)
    if (event := outbox.OF_EDGES.get((came_from, state))) is not None:
        outbox.note(session, event, row.id, now=now)
    entries.enter(session, fact, now=now)
    session.flush()


def stepped(row: Stateful, state: State, *, now: datetime, facts: Mapping[str, Json]) -> Fact:
    """Take one step, and tell what is to be entered of it; nothing is in the database yet."""
    machine = MACHINES[type(row)]
    if state not in EDGES[machine].get(row.state, frozenset()):
        raise IllegalTransition(f"{machine} {row.id} is {row.state}, it cannot become {state}")
    row.state = state
    row.revision += 1
    if isinstance(row, Job):
        row.progress = {}  # that was of the state before
    return fact_of(row, now=now, facts=facts)


def fact_of(row: Stateful, *, now: datetime, facts: Mapping[str, Json]) -> Fact:
    """What is to be entered: this row is now in this state, and why."""
    machine = MACHINES[type(row)]
    return Fact(
        kind=f"{machine}.{row.state}",
        machine=machine,
        row_id=row.id,
        revision=row.revision,
        payload={"id": str(row.id), "state": str(row.state), "at": now.isoformat(), **facts},
    )
