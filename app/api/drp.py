"""Deletion requests in the words of the Data Rights Protocol 1.0: how they stand, and why.

Its Exercise Status object (section 3.03) of any request, however it came in. Agents' signed
requests are not read here; they are submitted as all others are.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app.api.deps import SessionDep
from app.api.faces import FaceNotConfigured, require_drp
from app.api.problems import Malformed, refusals
from app.errors import UnknownRequest
from app.ledger import clocks, identifications, requests
from app.ledger.identification_tables import Identification
from app.ledger.reasons import DENIAL_WORDS, DenialReason
from app.ledger.states import RequestState
from app.ledger.tables import DeletionRequest
from app.reports.clocks import denial

router = APIRouter(
    prefix="/drp/v1/data-rights-request",
    tags=["Data Rights Protocol"],
    dependencies=[Depends(require_drp)],
)
NEEDS_VERIFICATION = "need_user_verification"


class Status(StrEnum):
    """How a request stands (section 3.02)."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    FULFILLED = "fulfilled"
    REVOKED = "revoked"
    DENIED = "denied"
    EXPIRED = "expired"  # of a signed request that came too late; here none is read


@dataclass(frozen=True)
class Standing:
    """A state in the protocol's words."""

    status: Status
    reason: str | None = None
    details: str | None = None


# Of denied requests the reason is what the ledger says; see `standing`.
STANDING_OF: dict[RequestState, Standing] = {
    RequestState.RECEIVED: Standing(Status.OPEN),
    RequestState.VERIFYING: Standing(
        Status.IN_PROGRESS, NEEDS_VERIFICATION, "it waits to be verified who asked"
    ),
    RequestState.ACCEPTED: Standing(Status.IN_PROGRESS, details="it waits for a job"),
    RequestState.IN_PROGRESS: Standing(Status.IN_PROGRESS, details="models are being unlearned"),
    RequestState.ON_HOLD: Standing(Status.IN_PROGRESS, details="it was put aside for now"),
    RequestState.COMPLETED: Standing(Status.FULFILLED, details="every model has forgotten"),
    RequestState.COMPLETED_NO_DATA: Standing(
        Status.FULFILLED, details="no model in use had been trained on any of the samples"
    ),
    RequestState.DENIED: Standing(Status.DENIED, DenialReason.OTHER),
    RequestState.CANCELLED: Standing(Status.REVOKED),
}


class ExerciseStatus(BaseModel):
    """Where a request stands."""

    request_id: UUID = Field(description="Its id.")
    agent_request_id: str | None = Field(description="The caller's own id: its `external_id`.")
    status: Status = Field(description="How it stands.")
    reason: str | None = Field(description="Why, where the protocol has a word for it.")
    processing_details: str | None = Field(description="The same for people, and why it is later.")
    received_at: datetime = Field(description="When the person asked.")
    expected_by: datetime = Field(description="By when it must be answered.")
    expires_at: datetime | None = Field(
        description="Of a request that waits for verification: when it lapses."
    )
    results_url: str | None = Field(description="Of one that is fulfilled: its report.")


@router.get(
    "/{request_id}",
    summary="Read a request as the Data Rights Protocol tells it",
    responses=refusals(FaceNotConfigured, UnknownRequest, Malformed),
)
def read_exercise_status(request_id: UUID, session: SessionDep) -> ExerciseStatus:
    """Any deletion request, however it came in."""
    request = requests.get(session, request_id)
    found = standing(session, request)
    waiting = session.get(Identification, request.id)
    report = f"/v1/deletion-requests/{request.id}/report"
    return ExerciseStatus(
        request_id=request.id,
        agent_request_id=request.external_id,
        status=found.status,
        reason=found.reason,
        processing_details=details(session, request, found),
        received_at=request.received_at,
        expected_by=request.due_at,
        expires_at=waiting.lapses_at if waiting else None,
        results_url=report if found.status is Status.FULFILLED else None,
    )


def standing(session: Session, request: DeletionRequest) -> Standing:
    """How a request stands. What was shredded of it has no reason any more."""
    if request.state is RequestState.DENIED and (denied := denial(session, request)):
        first, *_ = *denied.reasons, DenialReason.OTHER
        words = "; ".join(DENIAL_WORDS[reason] for reason in denied.reasons)
        return Standing(Status.DENIED, first, words or None)
    if request.state is RequestState.CANCELLED and identifications.lapsed(session, request.id):
        # The protocol's word for a verification that failed or timed out.
        reason = DenialReason.INSUFFICIENT_VERIFICATION
        return Standing(Status.DENIED, reason, identifications.LAPSED)
    return STANDING_OF[request.state]


def details(session: Session, request: DeletionRequest, found: Standing) -> str | None:
    """What is told to people. A date that was moved later comes with its reason (section 3.03)."""
    extension = clocks.of(session, [request])[request.id].extension
    told = [found.details]
    if extension is not None:
        told.append(f"extended by law: {extension.reason.value.replace('_', ' ')}")
    return "; ".join(filter(None, told)) or None
