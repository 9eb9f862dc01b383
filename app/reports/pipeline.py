"""What checks against true retrains say of models' pipelines; see app/ledger/checks.py."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger import checks
from app.ledger.check_tables import Check
from app.ledger.checks import Standing
from app.ledger.states import JobKind
from app.ledger.tables import Job, Model
from app.reports.intervals import Interval


@dataclass(frozen=True)
class Pipeline:
    """How often published versions, of those that a lot chose, were defective beside a retrain."""

    checked: int
    """Versions of which a check could tell."""
    defects: int
    """Those of them that an audit beside a true retrain did not accept."""
    unsettled: int
    """Versions of which a check could not tell; they are not counted."""
    rate: Interval | None
    """Defects over checked versions, with exact ends at 95 % each; null before the first."""

    @classmethod
    def of(cls, found: Standing) -> Self:
        rate = None
        if found.rate is not None:
            rate = Interval(found.rate.estimate, found.rate.low, found.rate.high)
        return cls(found.checked, found.defects, found.unsettled, rate)


@dataclass(frozen=True)
class ModelPipeline:
    """The checks of one model in a period."""

    model: str
    """The model's name."""
    pipeline: Pipeline
    """What they say."""


@dataclass(frozen=True)
class Checked:
    """What the check of one version came to."""

    version: int
    """The version."""
    verdict: str
    """pass, escalate (a defect) or inconclusive."""
    sentences: tuple[str, ...]
    """The verdict's reasons, in words."""
    retrain_seconds: float
    """How long the retrain took."""
    destroyed: str
    """SHA-256 of the retrain's weights, of which nothing else stays."""


def pipeline_of(session: Session, job: Job) -> Pipeline | None:
    """As it stood when the job ended, so that its report stays as it is; None without a check."""
    found = checks.standing(session, job.model_id, until=job.finished_at)
    return Pipeline.of(found) if found.checked + found.unsettled else None


def checked_by(session: Session, job: Job) -> Checked | None:
    """What a check came to; None of other jobs, and until it has ended."""
    if job.kind is not JobKind.CHECK:
        return None
    check = checks.of_job(session, job.id)
    if check.verdict is None or check.outcome is None:
        return None
    return Checked(
        version=checks.checked_version(session, job.id).number,
        verdict=check.verdict,
        sentences=tuple(check.outcome["sentences"]),
        retrain_seconds=check.outcome["retrain_seconds"],
        destroyed=check.outcome["destroyed"],
    )


def pipelines(session: Session, begins: datetime, ends: datetime) -> tuple[ModelPipeline, ...]:
    """Those of the models that had checks in a period, by name."""
    return tuple(
        ModelPipeline(name, Pipeline.of(found))
        for name, model_id in checked_models(session)
        if (found := checks.standing(session, model_id, since=begins, before=ends)) != NOTHING
    )


NOTHING = Standing(0, 0, 0)


def checked_models(session: Session) -> list[tuple[str, UUID]]:
    """Every model that ever had a check."""
    had = select(Check.model_id)
    rows = session.execute(
        select(Model.name, Model.id).where(Model.id.in_(had)).order_by(Model.name)
    )
    return [(name, model_id) for name, model_id in rows]
