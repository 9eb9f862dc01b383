"""Who asked for what, so that whoever approves a decision is a second person."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.auth import SecondPersonNeeded
from app.ledger.key_tables import Act
from app.ledger.tables import Erasure, Job


def note(session: Session, row_ids: Iterable[UUID], holder: UUID | None, *, now: datetime) -> None:
    """Remember who asked for these requests or jobs; where there are no keys, nobody is known."""
    rows = [{"row_id": row_id, "holder": holder, "at": now} for row_id in row_ids]
    if holder is not None and rows:
        session.execute(insert(Act).on_conflict_do_nothing(), rows)


def refuse_same_person(session: Session, job: Job, holder: UUID | None) -> None:
    """Refuse an approval by whoever asked for the job, or for one of the requests behind it."""
    if holder is None:
        return
    requests = select(Erasure.request_id).where(Erasure.job_id == job.id)
    theirs = session.scalar(
        select(Act.row_id)
        .where(Act.holder == holder, or_(Act.row_id == job.id, Act.row_id.in_(requests)))
        .limit(1)
    )
    if theirs is not None:
        raise SecondPersonNeeded(
            "this key asked for the job, or for a request that it carries out; another person's "
            "key has to approve it"
        )
