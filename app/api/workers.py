"""Which workers live and what they can run."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.deps import NowDep, SessionDep, SettingsDep
from app.ledger import announcements

router = APIRouter(prefix="/v1/workers", tags=["workers"])


class WorkerRead(BaseModel):
    """A live worker."""

    name: str = Field(description="Its name.", examples=["worker@host"])
    recipes: list[str] = Field(description="The recipes that it can run.", examples=[["digits"]])
    device: str = Field(description="Where its networks run.", examples=["cpu"])
    versions: dict[str, Any] = Field(description="Of the code that it runs.")
    started_at: datetime = Field(description="When it came.")
    seen_at: datetime = Field(description="When it was last heard of.")


@router.get("", summary="List live workers")
def list_workers(session: SessionDep, settings: SettingsDep, now: NowDep) -> list[WorkerRead]:
    """The workers heard of lately."""
    return [
        WorkerRead(
            name=worker.name,
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
