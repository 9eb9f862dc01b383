"""Which facts are told to webhooks, and the row that is written with each of them."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

from app.ledger.states import JobState, State
from app.ledger.webhook_tables import WebhookEvent


class EventType(StrEnum):
    """What a webhook can be told of: kinds of ledger entries, but for `job.escalated`."""

    REQUEST_ACCEPTED = "deletion_request.accepted"
    REQUEST_IN_PROGRESS = "deletion_request.in_progress"
    REQUEST_ON_HOLD = "deletion_request.on_hold"
    REQUEST_EXTENDED = "deletion_request.extended"
    REQUEST_ELAPSED_50 = "deletion_request.elapsed_50"
    REQUEST_ELAPSED_75 = "deletion_request.elapsed_75"
    REQUEST_ELAPSED_90 = "deletion_request.elapsed_90"
    REQUEST_AT_RISK = "deletion_request.at_risk"
    REQUEST_PREDICTED_LATE = "deletion_request.predicted_late"
    REQUEST_OVERDUE = "deletion_request.overdue"
    REQUEST_COMPLETED = "deletion_request.completed"
    REQUEST_COMPLETED_NO_DATA = "deletion_request.completed_no_data"
    REQUEST_DENIED = "deletion_request.denied"
    REQUEST_CANCELLED = "deletion_request.cancelled"
    JOB_AWAITING_APPROVAL = "job.awaiting_approval"
    JOB_ESCALATED = "job.escalated"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    VERSION_PUBLISHED = "model_version.published"
    VERSION_WITHDRAWN = "model_version.withdrawn"
    VERSION_PURGED = "model_version.purged"


# Steps that are told for where they come from; no entry is of their kind.
OF_EDGES: dict[tuple[State, State], EventType] = {
    (JobState.AUDITING, JobState.UNLEARNING): EventType.JOB_ESCALATED
}
TOLD = frozenset(EventType)


def note(session: Session, kind: str, row_id: UUID, *, now: datetime) -> None:
    """Have a fact told, if it is of a kind that is; in the transaction of the fact itself."""
    if kind in TOLD:
        session.add(WebhookEvent(kind=kind, row_id=row_id, at=now))
