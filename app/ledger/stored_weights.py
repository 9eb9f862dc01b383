"""Weights in the store that are no version's: whose they are, and that they go with their job.

A job owns weights before it stores them. It hands them over to the version that it publishes; what
it does not publish it releases, and the clerk removes that and states it. So whatever dies in
between, a row says what is still to be removed.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import Row, any_, delete, literal, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Session
from sqlalchemy.types import String

from app.bitmap import Bitmap
from app.ledger import entries
from app.ledger.states import VersionState
from app.ledger.stored_tables import StoredWeights
from app.ledger.tables import Job, ModelVersion

MACHINE = "stored_weights"


def lock_digest(session: Session, digest: str) -> None:
    """Until this transaction ends, nobody else may own, store or remove weights of this digest."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"weights {digest}"},
    )


def in_use(session: Session, digest: str, *, besides: ModelVersion | None = None) -> bool:
    """Whether a version that is not purged, or a job that is under way, has these weights.

    Two versions may have the same: the route `none` keeps them.
    """
    version = select(ModelVersion.id).where(
        ModelVersion.weights_digest == digest, ModelVersion.state != VersionState.PURGED
    )
    if besides is not None:
        version = version.where(ModelVersion.id != besides.id)
    owned = select(StoredWeights.id).where(
        StoredWeights.weights_digest == digest, StoredWeights.released_at.is_(None)
    )
    return bool(session.scalar(select(or_(version.exists(), owned.exists()))))


def own(session: Session, job: Job, digest: str, *, made_by: str, now: datetime) -> None:
    """Say, before they are stored, that a job has made these weights; again after a crash.

    Waits for whoever is just removing the same bytes.
    """
    lock_digest(session, digest)
    facts = {
        "made_by": made_by,
        "training_set": job.training_set,
        "stored_at": now,
        "released_at": None,
    }
    session.execute(
        insert(StoredWeights)
        .values(id=uuid4(), job_id=job.id, weights_digest=digest, **facts)
        .on_conflict_do_update(
            index_elements=[StoredWeights.job_id, StoredWeights.weights_digest], set_=facts
        )
    )


def hand_over(session: Session, job: Job, digest: str) -> None:
    """From now on the version that is being published has these weights, not its job."""
    session.execute(
        delete(StoredWeights).where(
            StoredWeights.job_id == job.id, StoredWeights.weights_digest == digest
        )
    )


def release(session: Session, job: Job, *, now: datetime) -> None:
    """Nothing that a job has stored and not published is needed any more."""
    session.execute(
        update(StoredWeights)
        .where(StoredWeights.job_id == job.id, StoredWeights.released_at.is_(None))
        .values(released_at=now)
    )


def released(session: Session) -> Sequence[Row[UUID, str]]:
    """Id and digest of what is to be removed, released first first."""
    return session.execute(
        select(StoredWeights.id, StoredWeights.weights_digest)
        .where(StoredWeights.released_at.is_not(None))
        .order_by(StoredWeights.released_at, StoredWeights.id)
    ).all()


def lock_released(session: Session, row_id: UUID) -> StoredWeights | None:
    """The row, locked; None if another clerk has removed it, or its job has made the same again.

    The digest has to be locked before, as `own` does it.
    """
    return session.scalar(
        select(StoredWeights)
        .where(StoredWeights.id == row_id, StoredWeights.released_at.is_not(None))
        .with_for_update(skip_locked=True)
    )


def removed(session: Session, row: StoredWeights, *, kept: bool, now: datetime) -> None:
    """State that weights are gone which were never published, unless somebody else has the same."""
    entries.append(
        session,
        f"{MACHINE}.removed",
        machine=MACHINE,
        row_id=row.id,
        now=now,
        payload={
            "id": str(row.id),
            "at": now.isoformat(),
            "job": None if row.job_id is None else str(row.job_id),
            "made_by": row.made_by,
            "weights_sha256": row.weights_digest,
            "weights_kept_for_another": kept,
        },
    )
    session.delete(row)


def strange(session: Session, digests: Collection[str]) -> set[str]:
    """Those of these digests that no version has and no row tells of."""
    wanted = any_(literal(list(digests), ARRAY(String)))
    known = session.scalars(
        select(ModelVersion.weights_digest)
        .where(ModelVersion.weights_digest == wanted, ModelVersion.state != VersionState.PURGED)
        .union(select(StoredWeights.weights_digest).where(StoredWeights.weights_digest == wanted))
    )
    return set(digests).difference(known)


def adopt(session: Session, digest: str, *, now: datetime) -> None:
    """Have weights removed that lie in the store and are strange; what they saw is not known."""
    session.add(
        StoredWeights(weights_digest=digest, training_set=Bitmap(), stored_at=now, released_at=now)
    )


def of_model(session: Session, model_id: UUID) -> Sequence[Row[StoredWeights, Job]]:
    """What the jobs of a model have stored and not published, with these jobs, oldest first."""
    return session.execute(
        select(StoredWeights, Job)
        .join(Job, Job.id == StoredWeights.job_id)
        .where(Job.model_id == model_id)
        .order_by(StoredWeights.stored_at, StoredWeights.id)
    ).all()
