"""Models whose first version was trained by coins, and jobs that canaries ride with."""

import random
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger import batching, datasets, first_training, publishing
from app.ledger.canary_tables import Canary
from app.ledger.states import JobState
from app.ledger.tables import Job, Model, ModelVersion
from app.ledger.transitions import move
from tests.factories import NOW, claim, digest_of, make_dataset, make_model, make_request

EVERYBODY = tuple(f"person-{number:02d}" for number in range(60))


def make_line(session: Session, **policy: Any) -> Model:
    dataset = make_dataset(session, people=EVERYBODY)
    return make_model(session, dataset, **({"canary_share": 0.5, "max_wait_seconds": 0.0} | policy))


def trained(session: Session, line: Model) -> ModelVersion:
    """The model's first version, by a training with coins."""
    job = first_training.queue(session, line, now=NOW, lot=random.Random(1))
    claim(session, job)
    for state in (JobState.TRAINING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    session.refresh(job, ["model"])
    version = publishing.publish_trained(
        session, job, weights_digest=digest_of(""), manifest={}, now=NOW
    )
    assert version is not None
    return version


def dealt(session: Session) -> list[Canary]:
    return list(session.scalars(select(Canary).order_by(Canary.id)))


def person_of(session: Session, line: Model, row: Canary) -> str:
    name = datasets.ids_of(session, line.dataset_id, row.samples)[0]
    return name.rpartition("-")[0]


def nobody(session: Session, line: Model) -> list[str]:
    """People who are no canaries."""
    taken = {person_of(session, line, row) for row in dealt(session) if row.samples}
    return [person for person in EVERYBODY if person not in taken]


def batched(session: Session, line: Model, *people: str) -> Job:
    make_request(session, *people)
    job = batching.batch(session, line.id, now=NOW, flush=True)
    assert job is not None
    return job


def run_as(session: Session, job: Job, route: str) -> ModelVersion:
    """Bring a job to its version by a route that is not exact, unless told otherwise."""
    job.decision = {"route": route}
    for state in (JobState.ASSESSING, JobState.UNLEARNING, JobState.AUDITING, JobState.PUBLISHING):
        move(session, job, state, now=NOW)
    session.refresh(job, ["model"])
    return publishing.publish_unlearned(
        session, job, route=route, weights_digest=digest_of(""), manifest={}, now=NOW
    )
