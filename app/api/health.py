"""For whoever watches the service: is it up, can it work, what does it count."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from app.api.deps import NowDep, SessionDep, SettingsDep
from app.api.problems import PROBLEM
from app.ledger import announcements, model_lines

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: str = Field(description="`ok`.", examples=["ok"])


class Readiness(BaseModel):
    """Whether requests that come in now will be carried out."""

    ready: bool = Field(description="The database answers and every model has a live worker.")
    without_worker: list[str] = Field(description="Models whose recipe no live worker announces.")


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
            "description": "A model has no live worker, or the database does not answer.",
            "content": PROBLEM,
        }
    },
)
def readyz(
    session: SessionDep, settings: SettingsDep, now: NowDep, response: Response
) -> Readiness:
    """The database answers, and each registered model has a worker that can run its recipe."""
    alive = announcements.alive(session, now=now, gone_seconds=settings.worker_gone_seconds)
    known = {recipe for worker in alive for recipe in worker.recipes}
    without = [line.name for line in model_lines.listed(session) if line.recipe not in known]
    response.status_code = 503 if without else 200
    return Readiness(ready=not without, without_worker=without)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics() -> Response:
    """Counters of this process, in Prometheus' text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
