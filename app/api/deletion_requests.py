"""Deletion requests: submit one, watch it, take it back."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from sqlalchemy.orm import Session

from app.api import pages, training_sets
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.polling import polled
from app.api.problems import Malformed, refusals
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
    IllegalTransition,
    KeyInUse,
    KeyReused,
    NameTaken,
    UnknownDataset,
    UnknownRequest,
    UnknownSamples,
)
from app.law import gdpr_due
from app.ledger import datasets, idempotency, requests
from app.ledger.states import FINAL_REQUEST_STATES, ErasureState, RequestState
from app.ledger.tables import DeletionRequest, Erasure
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

    @model_validator(mode="after")
    def names_something(self) -> Self:
        if self.subject is None and self.sample_ids is None:
            raise ValueError("name a subject, or sample ids of a dataset")
        if (self.sample_ids is None) != (self.dataset is None):
            raise ValueError("sample_ids and dataset go together")
        return self


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


class DeletionRequestRead(BaseModel):
    """Where a request stands. The person is not named in it."""

    id: UUID = Field(description="Its id.")
    external_id: str | None = Field(description="Your id for it.", examples=["T-2026-17"])
    state: RequestState = Field(description="The least advanced of its erasures.")
    sample_count: int = Field(description="Samples that it was resolved to.", examples=[20])
    received_at: datetime = Field(description="When the person asked.")
    due_at: datetime = Field(description="By when it must be answered (GDPR, article 12(3)).")
    finished_at: datetime | None = Field(description="When it came to its end.")
    erasures: list[ErasureRead] = Field(description="One per model that saw any of the samples.")

    @classmethod
    def of(cls, request: DeletionRequest) -> Self:
        plain = {name: getattr(request, name) for name in cls.model_fields if name != "erasures"}
        return cls(**plain, erasures=[ErasureRead.of(erasure) for erasure in request.erasures])


class DeletionRequestPage(BaseModel):
    """One page of requests, newest first."""

    items: list[DeletionRequestRead] = Field(description="The requests.")
    next_page_token: str = Field(description="For the next page; empty at the end.")


class Cancel(BaseModel):
    """Why a request is taken back."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(
        min_length=1, max_length=500, description="Goes into the ledger; name no person in it."
    )


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
        request = requests.submit(session, submission(session, body, key, settings, now), now=now)
        for erasure in request.erasures:
            ring_after_commit(session, queue, CONSIDER_MODEL, erasure.model_id)
        return 202, DeletionRequestRead.of(request).model_dump(mode="json")

    status, answer = idempotency.once(
        session,
        checked_key(idempotency_key),
        router.prefix,
        body.model_dump(mode="json") | {"subject": key and key.hex()},
        produce,
        now=now,
    )
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
) -> DeletionRequestPage:
    """Requests, newest first."""
    filters: dict[str, Any] = {} if external_id is None else {"external_id": external_id}
    limit = pages.size(page_size)
    found = requests.listed(
        session, limit=limit + 1, after=pages.decode(page_token), state=state, **filters
    )
    more = found[limit - 1] if len(found) > limit else None
    return DeletionRequestPage(
        items=[DeletionRequestRead.of(request) for request in found[:limit]],
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
    return polled(
        http, DeletionRequestRead.of(request), final=request.state in FINAL_REQUEST_STATES
    )


@router.post(
    "/{request_id}:cancel",
    summary="Take a deletion request back",
    responses=refusals(UnknownRequest, IllegalTransition, Malformed),
)
def cancel_deletion_request(
    request_id: UUID, body: Cancel, session: SessionDep, now: NowDep
) -> DeletionRequestRead:
    """Take a request back before a job has begun to carry it out; 409 afterwards."""
    request = requests.cancel(session, request_id, now=now, reason=body.reason)
    return DeletionRequestRead.of(request)


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
    return requests.Submission(
        samples=samples_of(session, body, key),
        subject_key=key,
        received_at=received_at,
        due_at=gdpr_due(received_at, zone=ZoneInfo(settings.timezone)),
        external_id=body.external_id,
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
