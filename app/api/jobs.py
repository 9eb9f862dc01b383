"""Jobs: what is being made, how far it is, and why it was decided so."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.api import pages, repeats
from app.api.deps import NowDep, QueueDep, SessionDep, SettingsDep
from app.api.guard import CallerDep
from app.api.polling import UNCHANGED, polled
from app.api.problems import Malformed, refusals
from app.api.repeats import Repeats, RepeatsDep
from app.auth import SecondPersonNeeded
from app.config import Settings
from app.errors import BadPageToken, IllegalTransition, UnknownJob, UnknownModel, UnknownSamples
from app.ledger import announcements, endings, job_sizes, jobs, lineage, model_lines
from app.ledger.idempotency import Answer
from app.ledger.states import ACTIVE_JOB_STATES, JobKind, JobState
from app.ledger.tables import Job, Model
from app.queue import RUN_JOB, Queue, ring_after_commit

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


class Progress(BaseModel):
    """How far the present phase is."""

    share: float = Field(0.0, description="0 to 1, of the present phase.", examples=[0.4])
    words: str = Field("", description="What is going on.", examples=["step 24 of 60"])
    eta_seconds: float | None = Field(None, description="The phase's predicted rest, in seconds.")


class JobRead(BaseModel):
    """A job: a model's first training, or the unlearning of one batch of erasures."""

    id: UUID = Field(description="Its id.")
    model: str = Field(description="The model whose next version it makes.", examples=["fashion"])
    kind: JobKind = Field(
        description="What it is for; calibrate, check and references publish nothing."
    )
    state: JobState = Field(description="How far it is.")
    forget_count: int = Field(description="Samples to forget.", examples=[100])
    retain_count: int = Field(description="Samples to keep.", examples=[5900])
    progress: Progress = Field(description="How far the present phase is.")
    attempt: int = Field(description="How often a worker has taken it up.", examples=[1])
    worker: str | None = Field(description="The worker that took it up last.")
    due_at: datetime | None = Field(
        description="The earliest due date of its erasures when it was queued."
    )
    created_at: datetime = Field(description="When it was queued.")
    started_at: datetime | None = Field(description="When a worker first took it up.")
    finished_at: datetime | None = Field(description="When it came to its end.")
    decision: dict[str, Any] | None = Field(
        description="The route, its reasons, and every number and threshold that led to it."
    )
    verdict: str | None = Field(description="The audit's verdict: pass, escalate, inconclusive.")
    error: dict[str, Any] | None = Field(
        description="Why the last attempt failed, if one did: `code` and `detail`. A training that "
        "came to nothing is repeated with POST /v1/models/{name}:train.",
        examples=[
            {
                "code": "unknown_to_recipe",
                "detail": "the recipe 'digits' does not know 3 of the job's 400 samples; "
                "the ids in a dataset must be those of the recipe's pool",
                "final": True,
            }
        ],
    )

    @classmethod
    def of(cls, job: Job) -> Self:
        derived = {
            "model": job.model.name,
            "forget_count": job_sizes.to_forget(job),
            "retain_count": job_sizes.to_keep(job),
            "progress": Progress.model_validate(job.progress),
            "verdict": job.audit["verdict"] if job.audit else None,
        }
        plain = {name: getattr(job, name) for name in cls.model_fields if name not in derived}
        return cls(**plain, **derived)


class JobPage(BaseModel):
    """One page of jobs, newest first."""

    items: list[JobRead] = Field(description="The jobs.")
    next_page_token: str = Field(description="For the next page; empty at the end.")


@router.get(
    "",
    summary="List jobs",
    responses=refusals(UnknownModel, UnknownSamples, BadPageToken, Malformed),
)
def list_jobs(
    session: SessionDep,
    page_size: pages.PageSize = 50,
    page_token: pages.PageToken = None,
    state: Annotated[JobState | None, Query(description="Only those in this state.")] = None,
    model: Annotated[str | None, Query(description="Only those of this model.")] = None,
    saw_sample: Annotated[
        str | None,
        Query(
            description="With `model`: only its active jobs that train on, or forget, this one. "
            "Until such a job has ended, its worker may hold states from which its loops go on."
        ),
    ] = None,
) -> JobPage:
    """Jobs, newest first."""
    limit = pages.size(page_size)
    line = model_lines.get(session, model) if model else None
    if saw_sample is not None and line is None:
        raise Malformed("a sample is looked up in its model's dataset: name the model too")
    found = jobs.listed(
        session,
        limit=limit + 1,
        after=pages.decode("jobs", page_token),
        state=state,
        model_id=line.id if line else None,
        ids=None
        if line is None or saw_sample is None
        else [job.id for job in lineage.of_sample(session, line, saw_sample).jobs],
    )
    more = found[limit - 1] if len(found) > limit else None
    return JobPage(
        items=[JobRead.of(job) for job in found[:limit]],
        next_page_token=pages.encode("jobs", (more.created_at, more.id)) if more else "",
    )


def queued_once(
    again: Repeats,
    queue: Queue,
    settings: Settings,
    name: str,
    make: Callable[[Model], Job],
    *,
    body: Any = None,
) -> Response:
    """Have a job made for the model of this name, and answer where it is; again for the same key.

    Refused while no live worker can run the model's recipe. A worker is told after the commit, and
    not of a repetition.
    """
    session, now = again.session, again.now

    def produce() -> Answer:
        line = model_lines.get(session, name)
        gone = settings.worker_gone_seconds
        announcements.recipe(session, line.recipe, now=now, gone_seconds=gone)
        job = make(line)
        ring_after_commit(session, queue, RUN_JOB, job.id)
        return 202, JobRead.of(jobs.get(session, job.id)).model_dump(mode="json")

    return again.once(body, produce, under=router.prefix)


@router.get(
    "/{job_id}",
    summary="Read a job",
    response_model=JobRead,
    responses=UNCHANGED | refusals(UnknownJob, Malformed),
)
def read_job(job_id: UUID, session: SessionDep, http: Request) -> Response:
    """How far a job is; send `If-None-Match` to be told only of changes."""
    job = jobs.get(session, job_id)
    return polled(http, JobRead.of(job), final=job.state not in ACTIVE_JOB_STATES)


@router.post(
    "/{job_id}:approve",
    summary="Approve a decision",
    response_model=JobRead,
    responses=refusals(
        UnknownJob, IllegalTransition, SecondPersonNeeded, *repeats.REFUSALS, Malformed
    ),
)
def approve_job(
    job_id: UUID,
    session: SessionDep,
    queue: QueueDep,
    caller: CallerDep,
    again: RepeatsDep,
    now: NowDep,
) -> Response:
    """Let a job go on that waits for a person, with its decision as it was recorded.

    Not with the key that submitted one of its requests or flushed them: a second person approves.
    A job may wait twice, before its run and after its audit. With an `Idempotency-Key` an approval
    that is sent again is not taken for the second.
    """

    def produce() -> Answer:
        job = jobs.get(session, job_id)
        endings.approve(session, job, now=now, holder=caller.holder)
        ring_after_commit(session, queue, RUN_JOB, job.id)
        return 200, JobRead.of(job).model_dump(mode="json")

    return again.once(None, produce)


@router.post(
    "/{job_id}:cancel",
    summary="Cancel a job",
    responses=refusals(UnknownJob, IllegalTransition, Malformed),
)
def cancel_job(job_id: UUID, session: SessionDep, settings: SettingsDep, now: NowDep) -> JobRead:
    """Stop a job that has not been published; its erasures wait for the next one."""
    job = jobs.get(session, job_id)
    endings.ask_to_cancel(session, job, now=now, retry_seconds=settings.retry_seconds)
    return JobRead.of(job)
