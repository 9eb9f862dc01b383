"""Models: registered lines of versions, and the policy under which they forget."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from sqlalchemy.orm import Session

from app.api import etags, repeats
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.names import Name
from app.api.policies import PolicyChange, PolicyFields
from app.api.polling import UNCHANGED, polled
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.api.versions import VersionRead
from app.config import Settings
from app.errors import (
    BodyTooLarge,
    ChangedMeanwhile,
    EmptyTrainingSet,
    NameTaken,
    UnknownDataset,
    UnknownModel,
    UnknownRecipe,
    WorkerAbsent,
)
from app.ledger import announcements, datasets, first_training, jobs, model_lines, versions
from app.ledger.idempotency import Answer
from app.ledger.policy import Policy
from app.ledger.tables import Model
from app.queue import RUN_JOB, ring_after_commit

router = APIRouter(prefix="/v1/models", tags=["models"])
CHANGE: JsonDict = {"policy": {"approval": True}}


class ModelChange(BaseModel):
    """What to change of a model."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [CHANGE]})

    policy: PolicyChange = Field(description="What to change of its policy.")


class ModelCreate(BaseModel):
    """A model to register."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    recipe: str = Field(
        description="A recipe that a live worker announces (GET /v1/workers).", examples=["digits"]
    )
    dataset: str = Field(description="The dataset that it is trained on.", examples=["digits"])
    policy: PolicyFields = Field(default=PolicyFields(), description="When and how it forgets.")
    train: bool = Field(
        True,
        description="Train its first version now on all samples of the dataset; "
        "false to upload weights instead.",
    )


class ModelRead(BaseModel):
    """A registered model."""

    name: str = Field(description="Its name.", examples=["fashion"])
    recipe: str = Field(description="How its networks are built and trained.", examples=["fashion"])
    dataset: str = Field(description="What it is trained on.", examples=["fashion"])
    policy: PolicyFields = Field(description="When and how it forgets.")
    live: VersionRead | None = Field(description="The version behind the alias `live`.")
    active_job: UUID | None = Field(description="The job that makes the next version.")
    created_at: datetime = Field(description="When it was registered.")


@router.post(
    "",
    status_code=201,
    summary="Register a model",
    response_model=ModelRead,
    responses=refusals(
        *repeats.REFUSALS,
        NameTaken,
        UnknownDataset,
        UnknownRecipe,
        WorkerAbsent,
        EmptyTrainingSet,
        Malformed,
        BodyTooLarge,
    ),
)
def create_model(
    body: ModelCreate,
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Register a model and, unless told otherwise, train its first version on the whole dataset."""

    def produce() -> Answer:
        line = register(session, body, settings, now=now)
        if body.train:
            job = first_training.queue(session, line, now=now)
            ring_after_commit(session, queue, RUN_JOB, job.id)
        return 201, read(session, [line])[0].model_dump(mode="json")

    return again.once(body.model_dump(mode="json"), produce)


def register(session: Session, body: ModelCreate, settings: Settings, *, now: datetime) -> Model:
    """A model for a recipe that some live worker can run."""
    dataset = datasets.get(session, body.dataset)
    announcements.recipe(session, body.recipe, now=now, gone_seconds=settings.worker_gone_seconds)
    return model_lines.create(
        session,
        body.name,
        recipe=body.recipe,
        dataset=dataset,
        policy=Policy(**body.policy.model_dump()),
        now=now,
    )


@router.get("", summary="List models")
def list_models(session: SessionDep) -> list[ModelRead]:
    """All models by name."""
    return read(session, model_lines.listed(session))


@router.get(
    "/{name}",
    summary="Read a model",
    response_model=ModelRead,
    responses=UNCHANGED | refusals(UnknownModel),
)
def read_model(name: str, session: SessionDep, http: Request) -> Response:
    """A model, its live version and its active job; `If-None-Match` asks for changes only."""
    (model,) = read(session, [model_lines.get(session, name)])
    return polled(http, model, final=model.active_job is None)


@router.patch(
    "/{name}",
    summary="Change a model's policy",
    responses=refusals(UnknownModel, ChangedMeanwhile, Malformed, BodyTooLarge),
)
def change_model(
    name: str,
    body: ModelChange,
    session: SessionDep,
    now: NowDep,
    response: Response,
    if_match: Annotated[
        str | None, Header(description="The ETag of the model that the change is meant for.")
    ] = None,
) -> ModelRead:
    """Change the named fields of a model's policy; the ledger keeps what it was before.

    It holds at once: for pending erasures, and for a job under way from its next step on.
    """
    line = model_lines.get(session, name)
    model_lines.lock(session, line.id)
    session.refresh(line, ["policy"])
    etags.refuse_if_changed(if_match, etags.etag(*read(session, [line])))
    model_lines.change_policy(session, line, body.policy.model_dump(exclude_unset=True), now=now)
    (model,) = read(session, [line])
    response.headers["ETag"] = etags.etag(model)
    return model


def read(session: Session, lines: Sequence[Model]) -> list[ModelRead]:
    """Models with their live versions and active jobs, in two queries for all of them."""
    ids = [line.id for line in lines]
    live, active = versions.lives(session, ids), jobs.active_of(session, ids)
    return [
        ModelRead(
            name=line.name,
            recipe=line.recipe,
            dataset=line.dataset.name,
            policy=PolicyFields(**line.policy),
            live=VersionRead.of(live[line.id]) if line.id in live else None,
            active_job=active.get(line.id),
            created_at=line.created_at,
        )
        for line in lines
    ]
