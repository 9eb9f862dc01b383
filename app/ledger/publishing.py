"""The one transaction in which a job's outcome becomes the model's new version."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import Conflict, ForgottenSamples
from app.ledger import (
    batching,
    canary_tests,
    checks,
    datasets,
    first_training,
    jobs,
    known_weights,
    model_lines,
    references,
    riders,
    stored_weights,
    training_logs,
    versions,
    withdrawing,
)
from app.ledger.requests import settle
from app.ledger.states import ErasureState, JobState
from app.ledger.tables import Erasure, Job, Model, ModelVersion
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
    stored_weights.hand_over(session, job, weights_digest)
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
    erasures = batching.locked(session, Erasure.job_id == job.id)
    # The forget set alone is not enough: older versions may have seen what the parent never saw.
    # Nobody asked to have canaries forgotten that ride along: what saw them may stay in use.
    riding = riders.riding(riders.of_job(session, job.id))
    forgotten = (job.forget_set - riding) | batching.union(erasures)
    withdrawing.withdraw_those_that_saw(session, job.model, forgotten, version, now=now)
    references.forget(session, job.model_id, forgotten | riding)
    training_logs.forget(session, job.model_id, forgotten | riding)
    canary_tests.keep(session, job, now=now)
    end_older_generations(session, version)
    for erasure in erasures:
        erasure.version_id = version.id
        move(session, erasure, ErasureState.FORGOTTEN, now=now, version=version.number)
        settle(session, erasure.request, now=now)
    drawn = checks.draw(session, job, version, now=now)
    lot = {} if drawn is None else {"to_be_checked": drawn}
    jobs.finish(session, job, JobState.SUCCEEDED, now=now, version=version.number, **lot)
    return version


def end_older_generations(session: Session, version: ModelVersion) -> None:
    """What references said, and a training noted, holds for the versions that descend from it."""
    generation, _ = versions.last_exact(session, version)
    references.drop(session, version.model_id, but=generation)
    training_logs.drop(session, version.model_id, but=generation)


def publish_trained(
    session: Session, job: Job, *, weights_digest: str, manifest: dict[str, Any], now: datetime
) -> ModelVersion | None:
    """Add a model's first version; None if samples were forgotten meanwhile and it must train anew.

    The dataset stays locked to the end: no request can slip in between look and publication.
    """
    datasets.lock(session, job.model.dataset_id)
    buried = job.training_set & datasets.tombstones(session, job.model.dataset_id)
    if buried:
        first_training.begin_anew(session, job, buried, now=now)
        return None
    stored_weights.hand_over(session, job, weights_digest)
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
    """Add a version that was trained elsewhere; refused if it saw a forgotten sample.

    Refused as well if its weights are known to have seen other samples than these, and while a job
    makes the model's next version: the upload would be lost under it.
    """
    # No request slips in between look and publication.
    concerned = known_weights.datasets_of(session, weights_digest)
    datasets.lock(session, line.dataset_id, *concerned)
    refuse_forgotten(session, line.dataset_id, training_set)
    known_weights.refuse_forgotten(session, weights_digest)
    known_weights.refuse_other_training_set(session, line, weights_digest, training_set)
    model_lines.lock(session, line.id)
    refuse_while_active(session, line)
    version = versions.publish(
        session,
        line,
        made_by="uploaded",
        weights_digest=weights_digest,
        training_set=training_set,
        manifest=manifest,
        now=now,
    )
    end_older_generations(session, version)
    return version


def refuse_while_active(session: Session, line: Model) -> None:
    """A model gets its versions one after the other."""
    if (active := jobs.active_for(session, line.id)) is not None:
        raise Conflict(f"job {active.id} of {line.name!r} is active; retry after it has ended")


def refuse_forgotten(session: Session, dataset_id: UUID, training_set: Bitmap) -> None:
    """No new training set may hold a tombstoned sample (I6)."""
    buried = training_set & datasets.tombstones(session, dataset_id)
    if buried:
        raise ForgottenSamples(
            f"{len(buried)} samples of this training set were forgotten; a version that saw them "
            "cannot be registered"
        )
