"""Deletion requests: submit one, watch it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from sqlalchemy.orm import Session

from app import crashing
from app.api import pages, training_sets
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.polling import polled
from app.api.problems import Malformed, refusals
from app.api.request_read import DeletionRequestRead, accepted, shown
from app.bitmap import Bitmap
from app.config import Settings
from app.errors import (
    BadKey,
    BadPageToken,
    BodyTooLarge,
    CoversEverything,
    DuplicateSamples,
    Fault,
    ForeignSamples,
    KeyInUse,
    KeyReused,
    NameTaken,
    UnknownDataset,
    UnknownRequest,
    UnknownSamples,
)
from app.law import Law, dates
from app.ledger import clocks, datasets, idempotency, requests
from app.ledger.states import FINAL_REQUEST_STATES, RequestState
from app.queue import CONSIDER_MODEL, ring_after_commit
from app.subjects import MAX_LENGTH, subject_key

router = APIRouter(prefix="/v1/deletion-requests", tags=["deletion requests"])
CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # an older date is a mistake
MOST_SAMPLES = 100_000
EXAMPLE: JsonDict = {"subject": "ada@example.org", "external_id": "T-2026-17"}


class DeletionRequestCreate(BaseModel):
    """Whom or what to forget: a subject, or sample ids of one dataset, or both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    subject: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_LENGTH,
        description="The person as the imports named them. Stored as a keyed hash only.",
    )
    dataset: str | None = Field(None, description="The dataset that the sample ids are of.")
    sample_ids: list[str] | None = Field(
        None,
        min_length=1,
        max_length=MOST_SAMPLES,
        description="Forget these samples only. With `subject`, they must all be that subject's.",
    )
    external_id: str | None = Field(
        None, min_length=1, max_length=200, description="Your own id for it; unique."
    )
    received_at: AwareDatetime | None = Field(
        None,
        ge=EARLIEST,
        description="When the person asked; the legal period runs from then. Default: now.",
    )
    law: Law = Field(
        Law.GDPR, description="Under which law the person asked; all dates follow from it."
    )

    @model_validator(mode="after")
    def names_something(self) -> Self:
        if self.subject is None and self.sample_ids is None:
            raise ValueError("name a subject, or sample ids of a dataset")
        if (self.sample_ids is None) != (self.dataset is None):
            raise ValueError("sample_ids and dataset go together")
        return self


class DeletionRequestPage(BaseModel):
    """One page of requests, newest first."""

    items: list[DeletionRequestRead] = Field(description="The requests.")
    next_page_token: str = Field(description="For the next page; empty at the end.")


@router.post(
    "",
    status_code=202,
    summary="Submit a deletion request",
    response_model=DeletionRequestRead,
    responses=refusals(
        UnknownDataset,
        UnknownSamples,
        DuplicateSamples,
        ForeignSamples,
        CoversEverything,
        NameTaken,
        BadKey,
        KeyReused,
        KeyInUse,
        Malformed,
        BodyTooLarge,
    ),
)
def submit_deletion_request(
    body: DeletionRequestCreate,
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    now: NowDep,
    idempotency_key: Annotated[
        str | None, Header(description="Repeat it to repeat the POST safely; 16 to 200 characters.")
    ] = None,
) -> Response:
    """Accept a request; the answer carries the date by which it must be fulfilled.

    A subject or sample that no model was trained on is accepted too, and ends `completed_no_data`.
    """
    key = hashed(body.subject, settings)

    def produce() -> idempotency.Answer:
        told = submission(session, body, key, settings, now)
        request = requests.submit(session, told, now=now)
        for erasure in request.erasures:
            ring_after_commit(session, queue, CONSIDER_MODEL, erasure.model_id)
        return 202, accepted(session, request, told.samples).model_dump(mode="json")

    status, answer = idempotency.once(
        session,
        checked_key(idempotency_key),
        router.prefix,
        body.model_dump(mode="json") | {"subject": key and key.hex()},
        produce,
        now=now,
    )
    crashing.at("intake.before_commit")
    return JSONResponse(
        answer, status_code=status, headers={"Location": f"{router.prefix}/{answer['id']}"}
    )


@router.get("", summary="List deletion requests", responses=refusals(BadPageToken, Malformed))
def list_deletion_requests(
    session: SessionDep,
    page_size: pages.PageSize = 50,
    page_token: pages.PageToken = None,
    state: Annotated[RequestState | None, Query(description="Only those in this state.")] = None,
    external_id: Annotated[str | None, Query(description="Only the one with this id.")] = None,
    at_risk: Annotated[
        bool | None, Query(description="Only those whose due date is near or past; or not those.")
    ] = None,
) -> DeletionRequestPage:
    """Requests, newest first."""
    filters: dict[str, Any] = {} if external_id is None else {"external_id": external_id}
    limit = pages.size(page_size)
    found = requests.listed(
        session,
        limit=limit + 1,
        after=pages.decode(page_token),
        state=state,
        which=None if at_risk is None else clocks.at_risk(at_risk),
        **filters,
    )
    standing = clocks.of(session, found)
    more = found[limit - 1] if len(found) > limit else None
    return DeletionRequestPage(
        items=[DeletionRequestRead.of(request, standing[request.id]) for request in found[:limit]],
        next_page_token=pages.encode((more.received_at, more.id)) if more else "",
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


def submission(
    session: Session,
    body: DeletionRequestCreate,
    key: bytes | None,
    settings: Settings,
    now: datetime,
) -> requests.Submission:
    """The request with its samples resolved and its due date."""
    received_at = body.received_at or now
    if received_at > now + CLOCK_SKEW:
        raise Malformed(
            "received_at lies in the future", Fault("/received_at", "in_the_future", "not yet")
        )
    due = dates(body.law, received_at, zone=ZoneInfo(settings.timezone))
    return requests.Submission(
        samples=samples_of(session, body, key),
        subject_key=key,
        received_at=received_at,
        due_at=due.due_at,
        external_id=body.external_id,
        law=body.law,
        confirm_by=due.confirm_by,
    )


def hashed(subject: str | None, settings: Settings) -> bytes | None:
    """The keyed hash that stands for the person from here on."""
    if subject is None:
        return None
    try:
        return subject_key(subject, settings.pepper.get_secret_value())
    except ValueError as error:
        raise Malformed(
            f"subject: {error}", Fault("/subject", "bad_subject", str(error))
        ) from error


def samples_of(
    session: Session, body: DeletionRequestCreate, key: bytes | None
) -> dict[UUID, Bitmap]:
    """By dataset: the samples that are asked for."""
    if body.dataset is None or body.sample_ids is None:
        assert key is not None  # the validator saw to it
        return datasets.ordinals_of_subject(session, key)
    dataset = datasets.get(session, body.dataset)
    ordinals = training_sets.resolve(
        session, dataset, body.sample_ids, pointer="/sample_ids", subject_key=key
    )
    return {dataset.id: ordinals}


def checked_key(header: str | None) -> str | None:
    """The Idempotency-Key without the quotes that the draft asks for."""
    if header is None:
        return None
    key = header.strip().removeprefix('"').removesuffix('"')
    if not 16 <= len(key) <= 200:
        raise BadKey("an Idempotency-Key has 16 to 200 characters, for instance a UUID")
    return key
