"""Which versions of a model anything is left of: however long its history, these are few."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from app.ledger.derived_tables import DerivedVersion
from app.ledger.reference_tables import ReferenceScores
from app.ledger.states import DerivedState, VersionState
from app.ledger.tables import Alias, Model, ModelVersion
from app.ledger.training_log_tables import TrainingLog


def versions(session: Session, line: Model) -> Sequence[ModelVersion]:
    """Those whose weights are there, and those of which something else is, oldest first.

    What is left of one that was purged: a name that leads to it, what its references said, what
    its training noted, or what others derived from it and have in use.
    """
    return session.scalars(
        select(ModelVersion)
        .where(
            ModelVersion.model_id == line.id,
            or_(
                ModelVersion.state != VersionState.PURGED,
                ModelVersion.id.in_(select(Alias.version_id).where(Alias.model_id == line.id)),
                told_of(),
                ModelVersion.id.in_(
                    select(DerivedVersion.version_id).where(
                        DerivedVersion.state == DerivedState.IN_USE
                    )
                ),
            ),
        )
        .order_by(ModelVersion.number)
    ).all()


def told(session: Session, line: Model) -> Sequence[ModelVersion]:
    """Those of whose samples a table still tells something, oldest first."""
    return session.scalars(
        select(ModelVersion)
        .where(ModelVersion.model_id == line.id, told_of())
        .order_by(ModelVersion.number)
    ).all()


def told_of() -> ColumnElement[bool]:
    """Its references, or the log of its training, are still there."""
    return or_(
        ModelVersion.id.in_(select(ReferenceScores.version_id)),
        ModelVersion.job_id.in_(select(TrainingLog.job_id)),
    )
