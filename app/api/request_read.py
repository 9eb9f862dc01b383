"""A deletion request as it is told: where it stands, what is due when, and who owes what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from app.api.derived import DerivedRead
from app.law import Law, Manner
from app.ledger import clocks, derived, requests
from app.ledger.clocks import Clock
from app.ledger.derived import Child
from app.ledger.reasons import ExtensionReason
from app.ledger.states import ErasureState, RequestState
from app.ledger.tables import DeletionRequest, Erasure


class ErasureRead(BaseModel):
    """What a request means for one model."""

    model: str = Field(description="The model that has to forget.", examples=["fashion"])
    state: ErasureState = Field(description="How far it is.")
    samples: int = Field(description="Samples to forget.", examples=[20])
    job_id: UUID | None = Field(description="The job that carries it out.")
    version_id: UUID | None = Field(description="The version that has forgotten them.")

    @classmethod
    def of(cls, erasure: Erasure) -> Self:
        return cls(
            model=erasure.model.name,
            state=erasure.state,
            samples=len(erasure.samples),
            job_id=erasure.job_id,
            version_id=erasure.version_id,
        )


class ExtensionRead(BaseModel):
    """An extension of the due date (GDPR, article 12(3); CCPA, section 7021(b))."""

    model_config = ConfigDict(from_attributes=True)

    reason: ExtensionReason = Field(description="Why it takes longer.")
    notice: str | None = Field(description="Where the text lies that the person was sent.")
    due_before: datetime = Field(description="When it was due at first.")
    extended_at: datetime = Field(description="When it was extended.")


class DeletionRequestRead(BaseModel):
    """Where a request stands. The person is not named in it."""

    id: UUID = Field(description="Its id.")
    external_id: str | None = Field(description="Your id for it.", examples=["T-2026-17"])
    state: RequestState = Field(description="The least advanced of its erasures.")
    sample_count: int = Field(description="Samples that it was resolved to.", examples=[20])
    law: Law = Field(description="Under which law the person asked.")
    manner: Manner | None = Field(description="How it was made; null where nobody said.")
    received_at: datetime = Field(description="When the person asked.")
    confirm_by: datetime | None = Field(
        description="By when the person must have been told that it was received (CCPA, section "
        "7021(a)); the GDPR has no such date."
    )
    due_at: datetime = Field(
        description="By when it must be answered (GDPR, article 12(3); CCPA, section 7021(b))."
    )
    extension: ExtensionRead | None = Field(description="Why it is due later than at first.")
    at_risk: bool = Field(description="Open, and its due date is near, past or out of reach.")
    overdue: bool = Field(description="Open, and its due date is past.")
    finished_at: datetime | None = Field(description="When it came to its end.")
    erasures: list[ErasureRead] = Field(description="One per model that saw any of the samples.")
    derived: list[DerivedRead] | None = Field(
        None,
        description="Versions derived elsewhere from one that saw any of the samples; those that "
        "are `withdrawn` are outstanding, whatever the request's state. Null in lists.",
    )

    @classmethod
    def of(cls, request: DeletionRequest, clock: Clock) -> Self:
        made = {
            "extension": clock.extension and ExtensionRead.model_validate(clock.extension),
            "at_risk": clock.at_risk,
            "overdue": clock.overdue,
            "erasures": [ErasureRead.of(erasure) for erasure in request.erasures],
        }
        own = cls.model_fields.keys() - made.keys() - {"derived"}
        return cls(**{name: getattr(request, name) for name in own}, **made)


def accepted(request: DeletionRequest, children: Sequence[Child]) -> DeletionRequestRead:
    """A request that has just come in: nothing can have happened to its clock yet."""
    return reaching(DeletionRequestRead.of(request, Clock()), children)


def shown(session: Session, request: DeletionRequest) -> DeletionRequestRead:
    """A request as it stands, with its clock and what it reaches elsewhere."""
    told = DeletionRequestRead.of(request, clocks.of(session, [request])[request.id])
    return reaching(told, derived.reached(session, requests.resolved(session, request.id)))


def reaching(told: DeletionRequestRead, children: Sequence[Child]) -> DeletionRequestRead:
    """The same, with the derived versions that its samples reach."""
    return told.model_copy(update={"derived": [DerivedRead.of(child) for child in children]})
