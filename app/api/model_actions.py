"""What an operator can ask of a model: train its first version, batch its erasures now."""

from functools import partial
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from app.api import repeats
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.guard import CallerDep
from app.api.jobs import JobRead, queued_once
from app.api.problems import Malformed, refusals
from app.api.repeats import RepeatsDep
from app.errors import (
    AlreadyTrained,
    Conflict,
    EmptyTrainingSet,
    NoLiveVersion,
    UnknownModel,
    UnknownRecipe,
    WorkerAbsent,
)
from app.ledger import acts, batching, first_training, jobs, model_lines, references
from app.ledger.idempotency import Answer
from app.queue import RUN_JOB, ring_after_commit

router = APIRouter(prefix="/v1/models", tags=["models"])


class FlushRead(BaseModel):
    """What a flush did."""

    job: UUID | None = Field(description="The job that was made; none if nothing was pending.")


@router.post(
    "/{name}:train",
    status_code=202,
    summary="Train a first version",
    response_model=JobRead,
    responses=refusals(
        UnknownModel,
        UnknownRecipe,
        WorkerAbsent,
        EmptyTrainingSet,
        AlreadyTrained,
        Conflict,
        *repeats.REFUSALS,
        Malformed,
    ),
)
def train(
    name: str,
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Train a model that has no version: its first training was cancelled or failed, or never was.

    It is trained on all samples that its dataset has by now, less those that were forgotten.
    """
    return queued_once(
        again, queue, settings, name, partial(first_training.queue, session, now=now)
    )


@router.post(
    "/{name}:build-references",
    status_code=202,
    summary="Train references",
    response_model=JobRead,
    responses=refusals(
        UnknownModel,
        UnknownRecipe,
        WorkerAbsent,
        NoLiveVersion,
        Conflict,
        *repeats.REFUSALS,
        Malformed,
    ),
)
def build_references(
    name: str,
    session: SessionDep,
    queue: QueueDep,
    settings: SettingsDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Train networks that each leave out a quarter of the people, score them and destroy them.

    What they say of samples they never saw gives every later job of this generation a target per
    sample, and an audit that trains nothing. It costs about nine trainings, done one at a time when
    no other job is due. The scores of forgotten samples are deleted with them.
    """
    return queued_once(again, queue, settings, name, partial(references.queue, session, now=now))


@router.post(
    "/{name}:flush",
    summary="Batch pending erasures now",
    response_model=FlushRead,
    responses=refusals(UnknownModel, Conflict, *repeats.REFUSALS, Malformed),
)
def flush(
    name: str,
    session: SessionDep,
    queue: QueueDep,
    caller: CallerDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Make a job of all pending erasures at once, whatever the policy's waits say."""

    def produce() -> Answer:
        line = model_lines.get(session, name)
        if (active := jobs.active_for(session, line.id)) is not None:
            raise Conflict(f"job {active.id} is active; pending erasures go into the next one")
        job = batching.batch(session, line.id, now=now, flush=True)
        if job is not None:
            acts.note(session, [job.id], caller.holder, now=now)
            ring_after_commit(session, queue, RUN_JOB, job.id)
        return 200, FlushRead(job=job.id if job else None).model_dump(mode="json")

    return again.once(None, produce)
