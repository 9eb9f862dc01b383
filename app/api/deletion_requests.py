"""Deletion requests: submit one, watch it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session

from app import crashing
from app.api import pages, submissions
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep, ValidateOnly
from app.api.guard import Caller, CallerDep, QuotaDep
from app.api.polling import polled
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.api.request_read import DeletionRequestRead, accepted, shown
from app.api.submissions import DeletionRequestCreate
from app.config import Settings
from app.errors import (
    BadPageToken,
    UnknownRequest,
)
from app.ledger import clocks, requests
from app.ledger.idempotency import Answer
from app.ledger.states import FINAL_REQUEST_STATES, RequestState

router = APIRouter(prefix="/v1/deletion-requests", tags=["deletion requests"])


class Validated(BaseModel):
    """What would come of a request that was only checked."""

    sample_count: int = Field(description="Samples that it would be resolved to.", examples=[20])
    due_at: datetime = Field(description="By when it would have to be answered.")
    models: list[str] = Field(description="Models that would have to forget.", examples=[["faces"]])


VALIDATED: dict[int | str, dict[str, Any]] = {
    200: {"model": Validated, "description": "With `validate_only`: it would be accepted."}
}


class DeletionRequestPage(BaseModel):
    """One page of requests, newest first."""

    items: list[DeletionRequestRead] = Field(description="The requests.")
    next_page_token: str = Field(description="For the next page; empty at the end.")


@router.post(
    "",
    status_code=202,
    summary="Submit a deletion request",
    response_model=DeletionRequestRead,
    responses=VALIDATED
    | refusals(
        *submissions.REFUSALS,
    ),
)
def submit_deletion_request(
    body: DeletionRequestCreate,
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    caller: CallerDep,
    quota: QuotaDep,
    again: RepeatsDep,
    now: NowDep,
    validate_only: ValidateOnly = False,
) -> Response:
    """Accept a request; the answer carries the date by which it must be fulfilled.

    A subject or sample that no model was trained on is accepted too, and ends `completed_no_data`.
    """
    if validate_only:
        return JSONResponse(tried(session, body, settings, caller, now).model_dump(mode="json"))
    key = submissions.hashed(body.subject, settings)

    def produce() -> Answer:
        request, children = submissions.submit(session, body, settings, caller, now=now)
        submissions.ring(session, queue, request)
        told = accepted(request, children).model_dump(mode="json")
        quota.spend(1)
        return 202, told

    fingerprinted = body.model_dump(mode="json") | {"subject": key and key.hex()}
    answer = again.once(fingerprinted, produce, under=router.prefix)
    crashing.at("intake.before_commit")
    return answer


def tried(
    session: Session,
    body: DeletionRequestCreate,
    settings: Settings,
    caller: Caller,
    now: datetime,
) -> Validated:
    """What would come of a request. It is submitted, and taken back whole."""
    with session.begin_nested() as everything:
        request, _ = submissions.submit(session, body, settings, caller, now=now)
        told = Validated(
            sample_count=request.sample_count,
            due_at=request.due_at,
            models=sorted(erasure.model.name for erasure in request.erasures),
        )
        everything.rollback()
    return told


@router.get("", summary="List deletion requests", responses=refusals(BadPageToken, Malformed))
def list_deletion_requests(
    session: SessionDep,
    page_size: pages.PageSize = 50,
    page_token: pages.PageToken = None,
    state: Annotated[RequestState | None, Query(description="Only those in this state.")] = None,
    external_id: Annotated[str | None, Query(description="Only the one with this id.")] = None,
    at_risk: Annotated[
        bool | None,
        Query(description="Only those whose due date is near, past or out of reach; or not those."),
    ] = None,
) -> DeletionRequestPage:
    """Requests, newest first."""
    filters: dict[str, Any] = {} if external_id is None else {"external_id": external_id}
    limit = pages.size(page_size)
    found = requests.listed(
        session,
        limit=limit + 1,
        after=pages.decode("requests", page_token),
        state=state,
        which=None if at_risk is None else clocks.at_risk(at_risk),
        **filters,
    )
    standing = clocks.of(session, found)
    more = found[limit - 1] if len(found) > limit else None
    return DeletionRequestPage(
        items=[DeletionRequestRead.of(request, standing[request.id]) for request in found[:limit]],
        next_page_token=pages.encode("requests", (more.received_at, more.id)) if more else "",
    )


@router.get(
    "/{request_id}",
    summary="Read a deletion request",
    response_model=DeletionRequestRead,
    responses=refusals(UnknownRequest, Malformed),
)
def read_deletion_request(request_id: UUID, session: SessionDep, http: Request) -> Response:
    """Where a request stands; send `If-None-Match` to be told only of changes."""
    request = requests.get(session, request_id)
    return polled(http, shown(session, request), final=request.state in FINAL_REQUEST_STATES)
