"""One claimed job on a supervisor's desk: its facts, its child, and fenced writes."""

import json
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import Session

from app import crashing
from app.bitmap import Bitmap
from app.db import transaction
from app.ledger import datasets, jobs, latecomers, stored_weights, versions
from app.ledger.states import JobKind
from app.ledger.tables import Job
from workers.child_process import Child
from workers.heart import Heart
from workers.station import Station


@dataclass(frozen=True)
class Assignment:
    """What does not change while a job is held."""

    job_id: UUID
    fence: int
    kind: JobKind
    recipe: str
    seed: int
    samples: Bitmap
    retain: list[str]
    forget: list[str]
    parent_digest: str | None
    retrains: bool  # and `samples` are what nobody had asked to forget when it was claimed

    @classmethod
    def of(cls, session: Session, job: Job) -> Self:
        dataset = job.model.dataset_id
        parent = job.parent_version_id and versions.by_id(session, job.parent_version_id)
        samples = job.training_set
        if job.kind is JobKind.REFERENCES:
            parent = None  # they begin from nothing, and its weights may be purged by now
            samples -= datasets.tombstones(session, dataset)  # it outlasts requests
        return cls(
            job_id=job.id,
            fence=job.fence,
            kind=job.kind,
            recipe=job.model.recipe,
            seed=job.seed,
            samples=samples,
            retain=datasets.ids_of(session, dataset, samples),
            forget=datasets.ids_of(session, dataset, job.forget_set),
            parent_digest=parent.weights_digest if parent else None,
            retrains=latecomers.about_to_retrain(job),
        )


@dataclass(frozen=True)
class Desk:
    """Where a job is worked on, in a folder that is removed afterwards."""

    station: Station
    assignment: Assignment
    folder: Path
    child: Child
    heart: Heart

    @contextmanager
    def held(self) -> Iterator[tuple[Session, Job]]:
        """A transaction on the job, which fails if this worker no longer holds it."""
        with transaction(self.station.sessions) as session:
            job = jobs.held(session, self.assignment.job_id, self.assignment.fence)
            came_from = job.state
            yield session, job
            if moved := job.state is not came_from:
                crashing.at(f"{came_from}.before_commit")
        if moved:
            crashing.at(f"{came_from}.after_commit")

    def ask(self, phase: str, **command: Any) -> dict[str, Any]:
        """Have the child carry out a phase, with its progress on the job row."""
        self.heart.begin(phase)
        answer = self.child.ask(phase, self.heart.progress, **command)
        self.heart.begin("")  # the next heartbeat must not call the next state finished
        return answer

    def open(self) -> dict[str, Any]:
        """Lay the samples' ids and the parent's weights before the child."""
        parent = self.assignment.parent_digest
        return self.ask(
            "open",
            recipe=self.assignment.recipe,
            seed=self.assignment.seed,
            retain=self.laid("retain", self.assignment.retain),
            forget=self.laid("forget", self.assignment.forget) if parent else None,
            parent=self.fetched(parent) if parent else None,
        )

    def laid(self, name: str, facts: Any) -> str:
        """A file with these facts, for the child to read: there may be too many for a message."""
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps(facts))
        return str(path)

    def fetched(self, digest: str) -> str:
        """A local copy of stored weights, checked against their digest."""
        path = self.folder / f"{digest}.safetensors"
        if not path.exists():
            self.station.store.fetch(digest, path)
        return str(path)

    def keep(self, name: str, digest: str) -> None:
        """Put what a route made into the store; before it lies there, a row says whose it is."""
        with self.held() as (session, job):
            stored_weights.own(session, job, digest, made_by=name, now=self.station.clock())
        self.station.store.put(self.out(name))

    def floats(self, name: str) -> Sequence[float]:
        """Numbers that the child left in the job's folder."""
        values = array("f")
        values.frombytes((self.folder / f"{name}.f32").read_bytes())
        return values

    def out(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"
