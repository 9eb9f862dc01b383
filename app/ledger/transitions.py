"""Every change of state goes through here: an allowed edge, and exactly one ledger entry for it."""

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
    row.id = row.id or uuid4()
    row.revision = 0
    session.add(row)
    state_fact(session, row, now=now, facts=facts)


def move(session: Session, row: Stateful, state: State, *, now: datetime, **facts: Json) -> None:
    """Change a row's state, along an allowed edge only."""
    machine = MACHINES[type(row)]
    if state not in EDGES[machine].get(row.state, frozenset()):
        raise IllegalTransition(f"{machine} {row.id} is {row.state}, it cannot become {state}")
    if (event := outbox.OF_EDGES.get((row.state, state))) is not None:
        outbox.note(session, event, row.id, now=now)
    row.state = state
    row.revision += 1
    state_fact(session, row, now=now, facts=facts)


def state_fact(session: Session, row: Stateful, *, now: datetime, facts: dict[str, Json]) -> None:
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
    session.flush()  # so that two steps of one row in one transaction reach the triggers one by one
