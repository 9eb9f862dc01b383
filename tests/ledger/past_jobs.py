"""Jobs that came to a version a while ago, which foretell how long the next will take."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from app.ledger.states import JobKind, JobState
from app.ledger.tables import Job, ModelVersion
from tests.factories import DAY, NOW


def past_job(session: Session, version: ModelVersion, took: timedelta, **other: Any) -> None:
    """A row of a job that came to a version a while ago."""
    facts = {"kind": JobKind.UNLEARN, "state": JobState.SUCCEEDED, **other}
    session.execute(text("SET LOCAL session_replication_role = replica"))  # past the guards
    session.add(
        Job(
            model_id=version.model_id,
            seed=1,
            progress={},
            forget_set=version.training_set,
            training_set=version.training_set,
            created_at=NOW - 10 * DAY,
            finished_at=NOW - 10 * DAY + took,
            parent_version_id=version.id if facts["kind"] is JobKind.UNLEARN else None,
            **facts,
        )
    )
    session.flush()
    session.execute(text("SET LOCAL session_replication_role = origin"))
