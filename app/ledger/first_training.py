"""A model's first version: trained on what of its dataset nobody and no coin took out.

Nobody's request waits for it: a training that is under way when somebody asks begins anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from random import Random
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session, joinedload

from app.bitmap import Bitmap
from app.errors import AlreadyTrained, EmptyTrainingSet
from app.ledger import (
    canaries,
    datasets,
    jobs,
    model_lines,
    stored_weights,
    training_logs,
    versions,
)
from app.ledger.canaries import LOT
from app.ledger.policy import Policy
from app.ledger.states import ACTIVE_JOB_STATES, JobKind, JobState
from app.ledger.tables import Job, Model
from app.ledger.transitions import move

# Every deletion request asks it, and mostly there are none. That datasets come after trainings is
# said by the condition, which has to be known before any of their rows is locked.
HOLD = text(
    """
    WITH trainings AS MATERIALIZED (
        SELECT jobs.id FROM jobs JOIN models ON models.id = jobs.model_id
        WHERE models.dataset_id = ANY(:datasets) AND jobs.kind = :kind
            AND jobs.state = ANY(:active)
        ORDER BY jobs.id FOR UPDATE OF jobs
    ), held AS MATERIALIZED (
        SELECT id FROM datasets
        WHERE id = ANY(:datasets) AND (SELECT count(*) FROM trainings) >= 0
        ORDER BY id FOR KEY SHARE
    )
    SELECT trainings.id FROM (SELECT count(*) FROM held) AS counted
    JOIN trainings ON true
    """
)
ACTIVE = [state.value for state in ACTIVE_JOB_STATES]


def queue(session: Session, line: Model, *, now: datetime, lot: Random = LOT) -> Job:
    """Ask for the model's first version; refused once it has one, or while a job is active.

    The dataset is locked before the model, as by whoever publishes: no coin falls for samples that
    somebody is just asking to be forgotten.
    """
    datasets.lock(session, line.dataset_id)
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


def hold(session: Session, dataset_ids: Iterable[UUID]) -> Sequence[Job]:
    """Until this transaction ends, no version trained on these datasets can be published.

    Locks the trainings of first versions on them, which are returned, and then the datasets:
    whoever publishes one holds the job and then locks its dataset.
    """
    session.flush()
    wanted = {"datasets": list(dataset_ids), "kind": JobKind.TRAIN.value, "active": ACTIVE}
    ids = session.connection().scalars(HOLD, wanted).all()
    if not ids:
        return []
    return session.scalars(
        select(Job)
        .where(Job.id.in_(ids))
        .order_by(Job.id)
        .options(joinedload(Job.model))
        .execution_options(populate_existing=True)
    ).all()


def leave_out(
    session: Session, trainings: Sequence[Job], samples: Mapping[UUID, Bitmap], *, now: datetime
) -> None:
    """Have trainings under way, locked as above, begin anew without these samples, by dataset.

    Whoever works on one finds the lease gone at the next heartbeat and stops; what its loop left to
    go on from is about other samples than the next attempt's, which removes it.
    """
    for job in trainings:
        if buried := job.training_set & samples[job.model.dataset_id]:
            begin_anew(session, job, buried, now=now)
            job.fence += 1


def begin_anew(session: Session, job: Job, buried: Bitmap, *, now: datetime) -> None:
    """Send a training back to be repeated without what was forgotten meanwhile."""
    training_logs.discard(session, Job.id == job.id)  # it is about samples that are gone now
    stored_weights.release(session, job, now=now)
    job.training_set -= buried
    if not job.training_set:
        job.error = {"code": "nothing_left", "detail": "all its samples were forgotten meanwhile"}
        jobs.finish(session, job, JobState.FAILED, now=now, reason="nothing_left", owner="operator")
        return
    if job.state is JobState.PUBLISHING:
        move(session, job, JobState.TRAINING, now=now, forgotten_meanwhile=len(buried))
    jobs.let_go(session, job)
