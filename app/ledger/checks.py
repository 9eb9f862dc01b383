"""Holds some published versions, by lot, against a true retrain: how often does a method fail?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger import datasets, jobs, versions
from app.ledger.check_tables import Check
from app.ledger.defect_rate import Rate, defect_rate
from app.ledger.policy import Policy
from app.ledger.states import JobKind, VersionState
from app.ledger.tables import Job, ModelVersion

DEFECT, UNSETTLED = "escalate", "inconclusive"  # the audit's words


@dataclass(frozen=True)
class Standing:
    """What checks say of a model's pipeline: of `checked` versions so many were defective.

    `unsettled`: those of which an audit beside a retrain could not tell; they are not `checked`.
    """

    checked: int
    defects: int
    unsettled: int

    @property
    def rate(self) -> Rate | None:
        return defect_rate(self.defects, self.checked)


def drawn(job: Job, share: float) -> bool:
    """The coin of a job's seed: the same whenever it is asked, and nothing that a method sees."""
    coin = sha256(f"check/{job.id}/{job.seed}".encode()).digest()
    return int.from_bytes(coin[:8]) < share * 2**64


def draw(session: Session, job: Job, version: ModelVersion, *, now: datetime) -> bool | None:
    """Have the new version checked if its coin says so; None where the policy checks none.

    What was retrained needs no check.
    """
    share = Policy.of(job.model.policy).oracle_share
    if share == 0 or version.made_by == "retrain":
        return None
    if not drawn(job, share):
        return False
    assert job.parent_version_id is not None
    check = jobs.add(
        session,
        job.model,
        JobKind.CHECK,
        training_set=job.training_set,
        forget_set=job.forget_set,
        parent=versions.by_id(session, job.parent_version_id),
        now=now,
    )
    session.add(Check(job_id=check.id, version_id=version.id, model_id=job.model_id))
    return True


def of_job(session: Session, job_id: UUID) -> Check:
    """The check that a job makes."""
    return session.get_one(Check, job_id)


def checked_version(session: Session, job_id: UUID) -> ModelVersion:
    return versions.by_id(session, of_job(session, job_id).version_id)


def impossible(session: Session, job: Job) -> str | None:
    """Why a check can no longer be made, in words; None if it can."""
    assert job.parent_version_id is not None
    concerned = (
        versions.by_id(session, job.parent_version_id),
        checked_version(session, job.id),
    )
    if any(version.state is VersionState.PURGED for version in concerned):
        return "the weights of a version concerned have been destroyed"
    if job.training_set & datasets.tombstones(session, job.model.dataset_id):
        return "samples of its training set have been forgotten meanwhile"
    return None


def keep(
    session: Session, job: Job, verdict: str, outcome: dict[str, Any], *, now: datetime
) -> None:
    """Write down what a check came to."""
    check = of_job(session, job.id)
    check.verdict, check.outcome, check.ended_at = verdict, outcome, now
    session.flush()


def of_model(session: Session, model_id: UUID) -> Sequence[tuple[Check, ModelVersion]]:
    """Every check of a model with its version, in the order of versions."""
    rows = session.execute(
        select(Check, ModelVersion)
        .join(ModelVersion, ModelVersion.id == Check.version_id)
        .where(Check.model_id == model_id)
        .order_by(ModelVersion.number)
    )
    return [(check, version) for check, version in rows]


def standing(
    session: Session,
    model_id: UUID,
    *,
    since: datetime | None = None,
    before: datetime | None = None,
    until: datetime | None = None,
) -> Standing:
    """What the checks say that ended from a moment on, before another, or up to one."""
    query = select(Check.verdict).where(Check.model_id == model_id, Check.verdict.is_not(None))
    if since is not None:
        query = query.where(Check.ended_at >= since)
    if before is not None:
        query = query.where(Check.ended_at < before)
    if until is not None:
        query = query.where(Check.ended_at <= until)
    verdicts = session.scalars(query).all()
    unsettled = verdicts.count(UNSETTLED)
    return Standing(len(verdicts) - unsettled, verdicts.count(DEFECT), unsettled)
