"""What a person decides about a deletion request: extend, hold, release, deny, take back."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api import deletion_requests, submissions
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.names import OnceEach
from app.api.problems import Malformed, refusals
from app.api.request_read import DeletionRequestRead, shown
from app.errors import CoversEverything, IllegalTransition, UnknownRequest
from app.ledger import clocks, holds, identifications, requests
from app.ledger.clocks import AlreadyExtended, FirstPeriodOver
from app.ledger.holds import AlreadyBatched
from app.ledger.reasons import DenialReason, ExtensionReason, HoldReason, ReleaseReason
from app.ledger.states import ErasureState
from app.queue import CONSIDER_MODEL, ring_after_commit

router = APIRouter(prefix=deletion_requests.router.prefix, tags=list(deletion_requests.router.tags))


Notice = Annotated[
    str,
    Field(
        min_length=1,
        max_length=500,
        description="Where the text lies by which the person was told, such as a letter's number. "
        "Goes into the ledger; name no person in it.",
        examples=["letter 2026-17"],
    ),
]


class Extend(BaseModel):
    """Why an answer takes longer, and how the person was told."""

    model_config = ConfigDict(extra="forbid")

    reason: ExtensionReason = Field(description="Why it takes longer.")
    notice: Notice


class Hold(BaseModel):
    """Why a request is put aside."""

    model_config = ConfigDict(extra="forbid")

    reason: HoldReason = Field(description="What keeps the samples from being forgotten for now.")


class Release(BaseModel):
    """Why a request that was held goes on."""

    model_config = ConfigDict(extra="forbid")

    reason: ReleaseReason = Field(description="What has changed.")


class Deny(BaseModel):
    """Why a request is refused, and how the person was told."""

    model_config = ConfigDict(extra="forbid")

    reasons: Annotated[list[DenialReason], OnceEach] = Field(
        min_length=1, description="All that apply, in the words of the Data Rights Protocol."
    )
    notice: Notice


class Cancel(BaseModel):
    """Why a request is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=1, max_length=500, description="Goes into the ledger; name no person in it."
    )


@router.post(
    "/{request_id}:verify",
    summary="Say that the person is who they say",
    responses=refusals(UnknownRequest, IllegalTransition, CoversEverything, Malformed),
)
def verify_deletion_request(
    request_id: UUID, session: SessionDep, queue: QueueDep, now: NowDep
) -> DeletionRequestRead:
    """Have a request count that waited for it; until then it had no effect. Its due date stays."""
    request = identifications.confirm(session, request_id, now=now)
    submissions.ring(session, queue, request)
    return shown(session, request)


@router.post(
    "/{request_id}:extend",
    summary="Extend a request's due date",
    responses=refusals(
        UnknownRequest, IllegalTransition, AlreadyExtended, FirstPeriodOver, Malformed
    ),
)
def extend_deletion_request(
    request_id: UUID, body: Extend, session: SessionDep, settings: SettingsDep, now: NowDep
) -> DeletionRequestRead:
    """Add what the request's law allows: once, and inside the first period.

    Two further months under the GDPR, article 12(3); 45 further days under the CCPA, section 7021.
    """
    request = clocks.extend(
        session,
        request_id,
        zone=ZoneInfo(settings.timezone),
        holidays=settings.holidays,
        now=now,
        **body.model_dump(),
    )
    return shown(session, request)


@router.post(
    "/{request_id}:hold",
    summary="Put a request aside",
    responses=refusals(UnknownRequest, IllegalTransition, AlreadyBatched, Malformed),
)
def hold_deletion_request(
    request_id: UUID, body: Hold, session: SessionDep, now: NowDep
) -> DeletionRequestRead:
    """No job takes the request up until it is released; its due date stays.

    Its samples stay out of new training sets. 409 once a job carries it out.
    """
    return shown(session, holds.hold(session, request_id, reason=body.reason, now=now))


@router.post(
    "/{request_id}:release",
    summary="Let a request that was held go on",
    responses=refusals(UnknownRequest, IllegalTransition, Malformed),
)
def release_deletion_request(
    request_id: UUID, body: Release, session: SessionDep, queue: QueueDep, now: NowDep
) -> DeletionRequestRead:
    """Have the request be batched again, also one that waits because nothing would remain."""
    request = holds.release(session, request_id, reason=body.reason, now=now)
    for erasure in request.erasures:
        if erasure.state is ErasureState.PENDING:
            ring_after_commit(session, queue, CONSIDER_MODEL, erasure.model_id)
    return shown(session, request)


@router.post(
    "/{request_id}:deny",
    summary="Refuse a request",
    responses=refusals(UnknownRequest, IllegalTransition, Malformed),
)
def deny_deletion_request(
    request_id: UUID, body: Deny, session: SessionDep, now: NowDep
) -> DeletionRequestRead:
    """Refuse a request before a job has begun to carry it out; there is a receipt of it.

    Its samples may be trained on again, unless another request wants them forgotten.
    """
    return shown(session, requests.deny(session, request_id, now=now, **body.model_dump()))


@router.post(
    "/{request_id}:cancel",
    summary="Take a deletion request back",
    responses=refusals(UnknownRequest, IllegalTransition, Malformed),
)
def cancel_deletion_request(
    request_id: UUID, body: Cancel, session: SessionDep, now: NowDep
) -> DeletionRequestRead:
    """Take a request back before a job has begun to carry it out; 409 afterwards."""
    return shown(session, requests.cancel(session, request_id, now=now, reason=body.reason))
