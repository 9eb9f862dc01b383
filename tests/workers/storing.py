"""A desk whose child makes weights out of words, and what lies in the store afterwards."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from sqlalchemy import select

from app.db import transaction
from app.ledger import batching, jobs, versions
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.states import JobState
from app.ledger.stored_tables import StoredWeights
from app.ledger.tables import Job
from app.ledger.transitions import move
from tests.factories import NOW, claim, make_request, make_training, make_version
from workers.child_process import Child
from workers.desk import Assignment, Desk
from workers.heart import Heart
from workers.station import Station

AUDITED = {"sentences": [], "numbers": {}, "seconds": 1.0, "canaries": {"e_value": None}}


@dataclass
class Scripted:
    """A child that makes these weights, one after another, and finds what the test wants."""

    weights: list[str]
    verdicts: list[str] = field(default_factory=list)
    before: Callable[[], object] = lambda: None  # what happens while it trains

    def ask(self, phase: str, _: object, **command: Any) -> dict[str, Any]:
        if phase == "audit":
            return {"verdict": self.verdicts.pop(0), **AUDITED}
        self.before()
        made = self.weights.pop(0).encode()
        Path(command["out"]).write_bytes(made)
        told = {"movement": 1.0, "seconds": 1.0, "logged": False}
        return {"weights_digest": sha256(made).hexdigest(), **told}


def digest(weights: str) -> str:
    return sha256(weights.encode()).hexdigest()


def put(station: Station, folder: Path, weights: str) -> str:
    """Lay weights into the store, whoever's they are."""
    file = folder / digest(weights)
    file.write_text(weights)
    return station.store.put(file)


def sit_down(station: Station, job_id: UUID, folder: Path, child: Scripted) -> Desk:
    """Claim a job as a worker does."""
    with transaction(station.sessions) as session:
        job = claim(session, jobs.get(session, job_id))
        assert job is not None
        assignment = Assignment.of(session, job)
    heart = Heart(station, job_id, assignment.fence, lambda: None)
    return Desk(station, assignment, folder, cast(Child, child), heart)


def unlearning(station: Station, route: str = "hamu", *, old: str = "old") -> UUID:
    """A job that is to make a model forget ada, decided upon; the model's weights are `old`."""
    with transaction(station.sessions) as session:
        version = make_version(session, weights=old)
        make_request(session, "ada")
        job = batching.batch(session, version.model_id, now=NOW, flush=True)
        assert job is not None
        job.decision = {"route": route, "retrain_seconds": 1.0, "reasons": []}
        for state in (JobState.ASSESSING, JobState.UNLEARNING):
            move(session, job, state, now=NOW)
        return job.id


def training(station: Station) -> UUID:
    """A first training, begun."""
    with transaction(station.sessions) as session:
        job = make_training(session)
        move(session, job, JobState.TRAINING, now=NOW)
        return job.id


def kept(station: Station, *weights: str) -> set[str]:
    """Those of these weights that lie in the store."""
    return {each for each in weights if station.store.has(digest(each))}


def live(station: Station, job_id: UUID) -> str | None:
    """The weights that the job's model serves."""
    with transaction(station.sessions) as session:
        found = versions.live(session, jobs.get(session, job_id).model_id)
        return None if found is None else found.weights_digest


def change(station: Station, job_id: UUID, how: Callable[[Any, Job], object]) -> None:
    """Do something to a job in a transaction."""
    with transaction(station.sessions) as session:
        how(session, jobs.get(session, job_id))


def owned(station: Station) -> list[StoredWeights]:
    """The rows of weights that are no version's."""
    with transaction(station.sessions) as session:
        return list(session.scalars(select(StoredWeights).order_by(StoredWeights.stored_at)))


def entered(station: Station) -> list[dict[str, Any]]:
    """What the ledger says of weights that were removed."""
    with transaction(station.sessions) as session:
        payloads = session.scalars(
            select(LedgerPayload.payload)
            .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
            .where(LedgerEntry.kind == "stored_weights.removed")
            .order_by(LedgerEntry.id)
        )
        return [json.loads(payload) for payload in payloads]
