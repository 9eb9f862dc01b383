"""Which workers live and what they can run; and telling them to take no more jobs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.deps import NowDep, SessionDep, SettingsDep
from app.api.problems import refusals
from app.ledger import announcements, worker_modes
from app.ledger.worker_modes import UnknownWorker
from app.ledger.worker_tables import WORKING, Mode

router = APIRouter(prefix="/v1/workers", tags=["workers"])


class WorkerRead(BaseModel):
    """A live worker."""

    name: str = Field(description="Its name.", examples=["worker@host"])
    mode: str = Field(
        description="`working`; `paused`: takes no more jobs; `draining`: and lets go of its own.",
        examples=[WORKING],
    )
    job: UUID | None = Field(description="The job that it holds; one that drained holds none.")
    recipes: list[str] = Field(description="The recipes that it can run.", examples=[["digits"]])
    device: str = Field(description="Where its networks run.", examples=["cpu"])
    versions: dict[str, Any] = Field(description="Of the code that it runs.")
    started_at: datetime = Field(description="When it came.")
    seen_at: datetime = Field(description="When it was last heard of.")


class ModeRead(BaseModel):
    """What a worker has been told."""

    name: str = Field(description="Its name.", examples=["worker@host"])
    mode: str = Field(description="`working`, `paused` or `draining`.", examples=["paused"])


@router.get("", summary="List live workers")
def list_workers(session: SessionDep, settings: SettingsDep, now: NowDep) -> list[WorkerRead]:
    """The workers heard of lately."""
    modes, held = worker_modes.modes(session), worker_modes.holding(session)
    return [
        WorkerRead(
            name=worker.name,
            mode=modes.get(worker.name, WORKING),
            job=held.get(worker.name),
            recipes=sorted(worker.recipes),
            device=worker.device,
            versions=worker.versions,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
        )
        for worker in announcements.alive(
            session, now=now, gone_seconds=settings.worker_gone_seconds
        )
    ]


@router.post("/{name}:pause", summary="Take no more jobs", responses=refusals(UnknownWorker))
def pause(name: str, session: SessionDep, now: NowDep) -> ModeRead:
    """From its next claim on the worker takes no job; the one that it has goes on to its end."""
    worker_modes.tell(session, name, Mode.PAUSED, now=now)
    return ModeRead(name=name, mode=Mode.PAUSED)


@router.post("/{name}:drain", summary="Let go of all jobs", responses=refusals(UnknownWorker))
def drain(name: str, session: SessionDep, now: NowDep) -> ModeRead:
    """The worker takes no job, and gives back the one that it has after its present step.

    Another worker goes on with it from there. A worker that holds no job any more can be stopped.
    """
    worker_modes.tell(session, name, Mode.DRAINING, now=now)
    return ModeRead(name=name, mode=Mode.DRAINING)


@router.post("/{name}:resume", summary="Take jobs again", responses=refusals(UnknownWorker))
def resume(name: str, session: SessionDep, now: NowDep) -> ModeRead:
    """The worker takes jobs again; one that was never told anything goes on as before."""
    worker_modes.resume(session, name, now=now)
    return ModeRead(name=name, mode=WORKING)
