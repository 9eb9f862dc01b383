"""Asks what forgetting some samples would take, without anybody having asked for it yet."""

from datetime import datetime

from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.errors import NoLiveVersion, NothingToForget
from app.ledger import jobs, owing, starting, versions
from app.ledger.states import JobKind
from app.ledger.tables import Job, Model


def queue(session: Session, line: Model, samples: Bitmap, *, now: datetime) -> Job:
    """Have the live version measured; nothing is buried, owed or changed by it."""
    if (live := versions.live(session, line.id)) is None:
        raise NoLiveVersion(f"the model {line.name!r} has no live version yet")
    if not (forget_set := samples & live.training_set):
        raise NothingToForget(
            f"version {live.number} of {line.name!r} was trained on none of these samples"
        )
    owing.refuse_everything(line, live, forget_set)
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
