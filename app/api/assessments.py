"""Dry runs: what forgetting a person would take, before anybody has to decide."""

from typing import Self

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator
from sqlalchemy.orm import Session

from app.api import repeats, training_sets
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.jobs import JobRead, queued_once
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.api.submissions import MOST_SAMPLES, hashed
from app.bitmap import Bitmap
from app.errors import (
    BodyTooLarge,
    CoversEverything,
    NoLiveVersion,
    NothingToForget,
    UnknownModel,
    UnknownRecipe,
    UnknownSamples,
    WorkerAbsent,
)
from app.ledger import datasets, dry_runs
from app.ledger.dry_runs import TooManyDryRuns
from app.ledger.tables import Job, Model
from app.subjects import MAX_LENGTH

router = APIRouter(prefix="/v1/models", tags=["models"])


class Assessment(BaseModel):
    """Whom or what a dry run is about: a subject, or samples of the model's dataset."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"subject": "writer-017"}]}
    )

    subject: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_LENGTH,
        description="The person as the imports named them.",
    )
    sample_ids: list[str] | None = Field(
        None, min_length=1, max_length=MOST_SAMPLES, description="Or these samples."
    )

    @model_validator(mode="after")
    def names_one(self) -> Self:
        if (self.subject is None) == (self.sample_ids is None):
            raise ValueError("name a subject, or sample ids, and not both")
        return self


@router.post(
    "/{name}:assess",
    status_code=202,
    summary="Ask what forgetting would take",
    response_model=JobRead,
    responses=refusals(
        UnknownModel,
        UnknownRecipe,
        UnknownSamples,
        WorkerAbsent,
        NoLiveVersion,
        NothingToForget,
        CoversEverything,
        TooManyDryRuns,
        *repeats.REFUSALS,
        BodyTooLarge,
        Malformed,
    ),
)
def assess(
    name: str,
    body: Assessment,
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """A dry run: how hard it would be, which route it would take, what that would cost.

    Nothing is buried, owed or changed. The job ends with `hardness` and `decision` in its report.
    A model has twenty dry runs at once that have not ended, and no more.
    """
    key = hashed(body.subject, settings)

    def make(line: Model) -> Job:
        return dry_runs.queue(session, line, asked_for(session, line, body, key), now=now)

    told_apart = body.model_dump(mode="json") | {"subject": key and key.hex()}
    return queued_once(again, queue, settings, name, make, body=told_apart)


def asked_for(session: Session, line: Model, body: Assessment, key: bytes | None) -> Bitmap:
    """The samples of the model's dataset that are asked about; `key` is the subject's."""
    if body.sample_ids is not None:
        return training_sets.resolve(
            session, line.dataset, body.sample_ids, pointer="/sample_ids", subject_key=None
        )
    assert key is not None  # the validator saw to it
    return datasets.ordinals_of_subject(session, key).get(line.dataset_id, Bitmap())
