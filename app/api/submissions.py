"""What callers submit, alone or in bulk, and how its people and samples are resolved."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict
from sqlalchemy.orm import Session

from app.api import repeats, training_sets
from app.api.guard import Caller
from app.api.problems import Malformed
from app.auth import MissingScope, Scope
from app.bitmap import Bitmap
from app.config import Settings
from app.errors import (
    BodyTooLarge,
    CoversEverything,
    DuplicateSamples,
    Fault,
    ForeignSamples,
    NameTaken,
    UnknownDataset,
    UnknownSamples,
)
from app.law import NO_HOLIDAYS, Law, Manner, dates
from app.ledger import acts, datasets, derived, identifications, intake, marks
from app.ledger.derived import Child
from app.ledger.rates import QuotaSpent
from app.ledger.requests import Submission
from app.ledger.tables import DeletionRequest
from app.queue import CONSIDER_MODEL, Queue, ring_after_commit
from app.subjects import MAX_LENGTH, subject_key

CLOCK_SKEW = timedelta(minutes=5)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)  # an older date is a mistake
MOST_SAMPLES = 100_000
EXAMPLE: JsonDict = {"subject": "ada@example.org", "external_id": "T-2026-17"}
# Of a single request, in whatever words it is submitted.
REFUSALS = (
    UnknownDataset,
    UnknownSamples,
    DuplicateSamples,
    ForeignSamples,
    CoversEverything,
    NameTaken,
    *repeats.REFUSALS,
    QuotaSpent,
    MissingScope,
    Malformed,
    BodyTooLarge,
)


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
    manner: Manner | None = Field(
        None, description="How it was made; on record for California (section 7101(b))."
    )
    verify_first: bool | None = Field(
        None,
        description="Let it wait, without effect, until `:verify` says that the person is who they "
        "say. Default: LACUNA_VERIFY_FIRST; false where that is on needs `requests:verify`.",
    )

    @model_validator(mode="after")
    def names_something(self) -> Self:
        if self.subject is None and self.sample_ids is None:
            raise ValueError("name a subject, or sample ids of a dataset")
        if (self.sample_ids is None) != (self.dataset is None):
            raise ValueError("sample_ids and dataset go together")
        return self


def ring(session: Session, queue: Queue, request: DeletionRequest) -> None:
    """Have each model that owes the request something consider it, once that is committed."""
    for erasure in request.erasures:
        ring_after_commit(session, queue, CONSIDER_MODEL, erasure.model_id)


def submit(
    session: Session,
    body: DeletionRequestCreate,
    settings: Settings,
    caller: Caller,
    *,
    now: datetime,
) -> tuple[DeletionRequest, Sequence[Child]]:
    """Take a request in, to be carried out or to be verified first.

    Returns also what derived versions its samples reach; of a subject who is to be verified none,
    for nobody knows yet that whoever asks is that person.
    """
    key = hashed(body.subject, settings)
    verifying = waits(body, settings, caller)
    unknown: dict[UUID, Bitmap] | None = {} if verifying and body.sample_ids is None else None
    told = submission(session, body, key, settings, now=now, samples=unknown)
    if verifying:
        lapses_at = now + timedelta(days=settings.verify_days)
        request = identifications.submit(session, told, lapses_at=lapses_at, now=now)
        children: Sequence[Child] = derived.reached(session, told.samples)
    else:
        request, children = intake.submit(session, told, now=now)
    acts.note(session, [request.id], caller.holder, now=now)
    return request, children


def waits(body: DeletionRequestCreate, settings: Settings, caller: Caller) -> bool:
    """Whether the person has to be identified before the request counts."""
    if body.verify_first is None:
        return settings.verify_first
    if settings.verify_first and not body.verify_first:
        if Scope.REQUESTS_VERIFY not in caller.scopes:
            raise MissingScope("verify_first=false needs a key with the scope requests:verify")
        return False
    return body.verify_first


def submission(
    session: Session,
    body: DeletionRequestCreate,
    key: bytes | None,
    settings: Settings,
    *,
    now: datetime,
    samples: dict[UUID, Bitmap] | None = None,
) -> Submission:
    """The request with its due date and its samples: these, or what they are looked up to be."""
    received_at = body.received_at or now
    if received_at > now + CLOCK_SKEW:
        raise Malformed(
            "received_at lies in the future", Fault("/received_at", "in_the_future", "not yet")
        )
    due = dates(
        body.law,
        received_at,
        zone=ZoneInfo(settings.timezone),
        holidays=settings.holidays.get(body.law, NO_HOLIDAYS),
    )
    return Submission(
        samples=samples_of(session, body, key) if samples is None else samples,
        subject_key=key,
        received_at=received_at,
        due_at=due.due_at,
        external_id=body.external_id,
        law=body.law,
        confirm_by=due.confirm_by,
        manner=body.manner,
        by_samples=body.sample_ids is not None,
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
    """By dataset: the samples that are asked for, less those that are only marks by now.

    These were forgotten so long ago that nothing is left to be asked for.
    """
    if body.dataset is None or body.sample_ids is None:
        assert key is not None  # the validator saw to it
        return datasets.ordinals_of_subject(session, key)
    dataset = datasets.get(session, body.dataset)
    ordinals = training_sets.resolve(
        session, dataset, body.sample_ids, pointer="/sample_ids", subject_key=key
    )
    return {dataset.id: ordinals - marks.nameless(session, dataset.id)}
