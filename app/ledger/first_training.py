"""A model's first version: trained on whatever of its dataset was not forgotten."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.errors import AlreadyTrained, EmptyTrainingSet
from app.ledger import datasets, jobs, model_lines, versions
from app.ledger.tables import Job, Model


def queue(session: Session, line: Model, *, now: datetime) -> Job:
    """Ask for the model's first version; refused once it has one, or while a job is active."""
    model_lines.lock(session, line.id)
    if (live := versions.live(session, line.id)) is not None:
        raise AlreadyTrained(
            f"version {live.number} of {line.name!r} is live; only a model without one is trained"
        )
    dataset = line.dataset
    training_set = datasets.everything(dataset) - datasets.tombstones(session, dataset.id)
    if not training_set:
        raise EmptyTrainingSet(f"the dataset {dataset.name!r} has no samples to train on")
    return jobs.queue_training(session, line, training_set, now=now)
