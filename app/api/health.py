"""For whoever watches the service: is it up, can it work."""

from datetime import datetime

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.deps import NowDep, SessionDep, SettingsDep
from app.api.problems import PROBLEM
from app.ledger import announcements, model_lines, signing_refusals

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: str = Field(description="`ok`.", examples=["ok"])


class Unsigned(BaseModel):
    """Why the clerk signs nothing, so that there are no receipts; it goes when it signs again."""

    model_config = ConfigDict(from_attributes=True)

    code: str = Field(
        description="`will_not_sign`: what is stored contradicts what was signed. `no_log_key`.",
        examples=["will_not_sign"],
    )
    detail: str = Field(description="In words.")
    since: datetime = Field(description="When it was first found.")


class Readiness(BaseModel):
    """Whether requests that come in now will be carried out."""

    ready: bool = Field(
        description="The database answers, every model has a live worker, the ledger is signed."
    )
    without_worker: list[str] = Field(description="Models whose recipe no live worker announces.")
    unsigned: list[Unsigned] = Field(description="What keeps the ledger from being signed.")


@router.get("/healthz", summary="Is the process up?")
def healthz() -> Health:
    """The process answers; nothing else is looked at."""
    return Health(status="ok")


@router.get(
    "/readyz",
    summary="Can it work?",
    responses={
        503: {
            "model": Readiness,
            "description": "A model has no live worker, the ledger cannot be signed, or the "
            "database does not answer.",
            "content": PROBLEM,
        }
    },
)
def readyz(
    session: SessionDep, settings: SettingsDep, now: NowDep, response: Response
) -> Readiness:
    """The database answers, each model has a worker for its recipe, and the ledger is signed."""
    alive = announcements.alive(session, now=now, gone_seconds=settings.worker_gone_seconds)
    known = {recipe for worker in alive for recipe in worker.recipes}
    without = [line.name for line in model_lines.listed(session) if line.recipe not in known]
    unsigned = [Unsigned.model_validate(row) for row in signing_refusals.standing(session)]
    ready = not without and not unsigned
    response.status_code = 200 if ready else 503
    return Readiness(ready=ready, without_worker=without, unsigned=unsigned)
