"""Asks what forgetting some samples would take, without anybody having asked for it yet."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import Conflict, NoLiveVersion, NothingToForget
from app.ledger import jobs, model_lines, owing, starting, versions
from app.ledger.states import ACTIVE_JOB_STATES, JobKind
from app.ledger.tables import Job, Model

MOST = 20  # of a model at once: each is work, and none of them is anybody's request


class TooManyDryRuns(Conflict):
    """So many dry runs of the model wait already that no more are taken."""

    code = "too_many_dry_runs"
    retry_seconds = 60


def queue(session: Session, line: Model, samples: Bitmap, *, now: datetime) -> Job:
    """Have the live version measured; nothing is buried, owed or changed by it."""
    if (live := versions.live(session, line.id)) is None:
        raise NoLiveVersion(f"the model {line.name!r} has no live version yet")
    if not (forget_set := samples & live.training_set):
        raise NothingToForget(
            f"version {live.number} of {line.name!r} was trained on none of these samples"
        )
    owing.refuse_everything(line, live, forget_set)
    refuse_too_many(session, line)
    start = starting.start_for(session, line, live, samples)
    return jobs.add(
        session,
        line,
        JobKind.ASSESS,
        training_set=live.training_set - forget_set,
        forget_set=start.forget_set,
        parent=start.version,
        now=now,
    )


def refuse_too_many(session: Session, line: Model) -> None:
    """The model is locked, so that of many who ask at once none is overlooked."""
    model_lines.lock(session, line.id)
    query = select(func.count()).where(
        Job.model_id == line.id, Job.kind == JobKind.ASSESS, Job.state.in_(ACTIVE_JOB_STATES)
    )
    if session.scalars(query).one() >= MOST:
        raise TooManyDryRuns(
            f"{MOST} dry runs of {line.name!r} have not ended yet; ask again after one has"
        )
