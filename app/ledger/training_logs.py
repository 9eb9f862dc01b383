"""What trainings noted of their samples: kept for the version that came of it, person by person."""

import struct
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import generations
from app.ledger.references import FLOAT, FORGOTTEN, places
from app.ledger.states import ACTIVE_JOB_STATES
from app.ledger.tables import Job, ModelVersion
from app.ledger.training_log_tables import TrainingLog


def keep(session: Session, job: Job, confidences: Sequence[float]) -> None:
    """Keep what a job's training noted, in ascending order of the ordinals of its training set."""
    assert len(confidences) == len(job.training_set)
    packed = struct.pack(f"<{len(confidences)}f", *confidences)
    session.execute(
        insert(TrainingLog)
        .values(job_id=job.id, confidences=packed)
        .on_conflict_do_update(index_elements=[TrainingLog.job_id], set_={"confidences": packed})
    )


def of(session: Session, version: ModelVersion, samples: Bitmap) -> list[float] | None:
    """What the version's training noted of these samples, ascending; None unless it is all there.

    None, that is, for a version that was uploaded or unlearned, and where one was forgotten.
    """
    log = version.job_id and session.get(TrainingLog, version.job_id)
    if not log or not samples <= version.training_set:
        return None
    found = [
        FLOAT.unpack_from(log.confidences, place)[0]
        for place in places(version.training_set, samples)
    ]
    return None if any(value != value for value in found) else found


def forget(session: Session, model_id: UUID, samples: Bitmap) -> None:
    """Overwrite what trainings noted of these samples: a person's rows go with the person."""
    rows = session.execute(of_model(model_id).with_for_update(of=TrainingLog))
    for log, training_set in rows:
        noted = bytearray(log.confidences)
        for place in places(training_set, samples & training_set):
            noted[place : place + FLOAT.size] = FORGOTTEN
        log.confidences = bytes(noted)


def telling(session: Session, model_id: UUID, samples: Bitmap) -> set[UUID]:
    """The versions whose trainings still tell something of one of these samples.

    What a job under way notes is looked at when it is published, what others left is swept away.
    """
    rows = session.execute(
        of_model(model_id)
        .join(ModelVersion, ModelVersion.job_id == Job.id)
        .add_columns(ModelVersion.id)
    )
    return {
        version_id
        for log, training_set, version_id in rows
        if any(
            log.confidences[place : place + FLOAT.size] != FORGOTTEN
            for place in places(training_set, samples & training_set)
        )
    }


def discard(session: Session, *which: ColumnElement[bool]) -> None:
    """Delete the logs of jobs that meet these conditions."""
    jobs = select(Job.id).where(*which)
    session.execute(delete(TrainingLog).where(TrainingLog.job_id.in_(jobs)))


def drop(session: Session, model_id: UUID, *, but: ModelVersion) -> None:
    """Delete the logs of a model's trainings that a newer exact version has ended."""
    discard(session, Job.model_id == model_id, Job.id.is_distinct_from(but.job_id))


def drop_ended(session: Session) -> None:
    """Delete what is left over: logs of jobs that came to nothing, or whose generation ended."""
    in_use = [job_id for _, job_id in generations.in_use(session) if job_id is not None]
    discard(session, Job.state.not_in(ACTIVE_JOB_STATES), Job.id.not_in(in_use))


def of_model(model_id: UUID) -> Select[TrainingLog, Bitmap]:
    """A model's logs, each with the samples it is about."""
    return (
        select(TrainingLog, Job.training_set)
        .join(Job, Job.id == TrainingLog.job_id)
        .where(Job.model_id == model_id)
    )
