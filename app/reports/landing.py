"""What the service has, in a few lines: its models, their live versions, the latest jobs."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from app import build
from app.ledger import job_sizes, jobs, model_lines, versions
from app.ledger.states import JobKind, JobState
from app.reports.facts import utc

RECENT = 20


@dataclass(frozen=True)
class Line:
    """A model and what is behind its alias `live`."""

    name: str
    recipe: str
    live: int | None
    made_by: str | None
    since: datetime | None


@dataclass(frozen=True)
class RecentJob:
    """A job to look at."""

    id: UUID
    model: str
    kind: JobKind
    state: JobState
    forget: int
    created_at: datetime


@dataclass(frozen=True)
class Landing:
    """The whole page."""

    version: str
    models: tuple[Line, ...]
    jobs: tuple[RecentJob, ...]


def landing(session: Session) -> Landing:
    """As it is now."""
    lines = []
    for line in model_lines.listed(session):
        live = versions.live(session, line.id)
        lines.append(
            Line(
                name=line.name,
                recipe=line.recipe,
                live=live.number if live else None,
                made_by=live.made_by if live else None,
                since=utc(live.created_at) if live else None,
            )
        )
    recent = tuple(
        RecentJob(
            id=job.id,
            model=job.model.name,
            kind=job.kind,
            state=job.state,
            forget=job_sizes.to_forget(job),
            created_at=utc(job.created_at),
        )
        for job in jobs.listed(session, limit=RECENT)
    )
    return Landing(version=build.software()["lacuna"], models=tuple(lines), jobs=recent)
