"""The one transaction in which a job's outcome becomes the model's new version."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import ForgottenSamples
from app.ledger import batching, datasets, jobs, versions
from app.ledger.requests import settle
from app.ledger.states import ErasureState, JobState
from app.ledger.tables import Job, Model, ModelVersion
from app.ledger.transitions import move


def publish_unlearned(
    session: Session,
    job: Job,
    *,
    route: str,
    weights_digest: str,
    manifest: dict[str, Any],
    now: datetime,
) -> ModelVersion:
    """Add the version, complete the erasures, withdraw what saw the forgotten samples."""
    assert job.parent_version_id is not None
    version = versions.publish(
        session,
        job.model,
        made_by=route,
        weights_digest=weights_digest,
        training_set=job.training_set,
        manifest=manifest,
        parent=versions.by_id(session, job.parent_version_id),
        job_id=job.id,
        now=now,
    )
    versions.withdraw_those_that_saw(session, job.model, job.forget_set, version, now=now)
    for erasure in batching.of_job(session, job):
        erasure.version_id = version.id
        move(session, erasure, ErasureState.FORGOTTEN, now=now, version=version.number)
        settle(session, erasure.request, now=now)
    jobs.finish(session, job, JobState.SUCCEEDED, now=now, version=version.number)
    return version


def publish_trained(
    session: Session, job: Job, *, weights_digest: str, manifest: dict[str, Any], now: datetime
) -> ModelVersion | None:
    """Add a model's first version; None if samples were forgotten meanwhile and it must train anew.

    The dataset stays locked to the end: no request can slip in between look and publication.
    """
    datasets.lock(session, job.model.dataset_id)
    buried = job.training_set & datasets.tombstones(session, job.model.dataset_id)
    if buried:
        job.training_set -= buried
        move(session, job, JobState.TRAINING, now=now, forgotten_meanwhile=len(buried))
        jobs.release(session, job)
        return None
    version = versions.publish(
        session,
        job.model,
        made_by="trained",
        weights_digest=weights_digest,
        training_set=job.training_set,
        manifest=manifest,
        job_id=job.id,
        now=now,
    )
    jobs.finish(session, job, JobState.SUCCEEDED, now=now, version=version.number)
    return version


def publish_uploaded(
    session: Session,
    line: Model,
    *,
    training_set: Bitmap,
    weights_digest: str,
    manifest: dict[str, Any],
    now: datetime,
) -> ModelVersion:
    """Add a version that was trained elsewhere; refused if it saw a forgotten sample."""
    refuse_forgotten(session, line.dataset_id, training_set)
    return versions.publish(
        session,
        line,
        made_by="uploaded",
        weights_digest=weights_digest,
        training_set=training_set,
        manifest=manifest,
        now=now,
    )


def refuse_forgotten(session: Session, dataset_id: UUID, training_set: Bitmap) -> None:
    """No new training set may hold a tombstoned sample (I6); the dataset is locked for the look."""
    datasets.lock(session, dataset_id)
    buried = training_set & datasets.tombstones(session, dataset_id)
    if buried:
        raise ForgottenSamples(
            f"{len(buried)} samples of this training set were forgotten; a version that saw them "
            "cannot be registered"
        )
