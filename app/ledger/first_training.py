"""A model's first version: trained on what of its dataset nobody and no coin took out."""

from datetime import datetime
from random import Random

from sqlalchemy.orm import Session

from app.errors import AlreadyTrained, EmptyTrainingSet
from app.ledger import canaries, datasets, jobs, model_lines, versions
from app.ledger.canaries import LOT
from app.ledger.policy import Policy
from app.ledger.tables import Job, Model


def queue(session: Session, line: Model, *, now: datetime, lot: Random = LOT) -> Job:
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
    most = int(Policy.of(line.policy).canary_share * len(training_set))
    flipped = canaries.flip(session, dataset.id, training_set, most=most, lot=lot)
    left = training_set - canaries.left_out(flipped)
    job = jobs.queue_training(session, line, left, now=now)
    canaries.deal(session, line, job, flipped, now=now)
    return job
