"""What the coins of a model's published jobs amount to together."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.ledger.canary_tables import CanaryTest
from app.ledger.tables import Job


def of_model(session: Session, model_id: UUID) -> list[CanaryTest]:
    """The tests of a model's published jobs, oldest first."""
    return list(
        session.scalars(
            select(CanaryTest).where(CanaryTest.model_id == model_id).order_by(CanaryTest.number)
        )
    )


def wealth(session: Session, model_id: UUID) -> float:
    """The product of the e-values of all published jobs; 1 before the first.

    Under no leak it reaches 20 at any time with a chance of one in twenty at most (Ville 1939).
    """
    tests = of_model(session, model_id)
    return tests[-1].wealth if tests else 1.0


def keep(session: Session, job: Job, *, now: datetime) -> None:
    """Add a published job's test, where its audit made one: that of what is served, no other."""
    told = (job.audit or {}).get("canaries") or {}
    if told.get("e_value") is None:
        return
    session.add(
        CanaryTest(
            job_id=job.id,
            model_id=job.model_id,
            number=len(of_model(session, job.model_id)) + 1,
            riders=told["riders"],
            never_seen=told["never_seen"],
            p_value=told["p_value"],
            e_value=told["e_value"],
            wealth=wealth(session, job.model_id) * told["e_value"],
            tested_at=now,
        )
    )
