"""Tells workers to take no more jobs, and to take them again; each change is an entry."""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.ledger import entries
from app.ledger.states import ACTIVE_JOB_STATES
from app.ledger.tables import Job, Worker
from app.ledger.worker_tables import Mode, WorkerMode


class UnknownWorker(NotFound):
    """No worker goes by that name."""

    code = "unknown_worker"


def tell(session: Session, name: str, mode: Mode, *, now: datetime) -> None:
    """Have a worker take no more jobs; telling it again what it was told states nothing."""
    require(session, name)
    told = session.execute(
        insert(WorkerMode)
        .values(name=name, mode=mode, since=now)
        .on_conflict_do_update(
            index_elements=[WorkerMode.name],
            set_={"mode": mode, "since": now},
            where=WorkerMode.mode != mode,
        )
        .returning(WorkerMode.name)
    )
    if told.one_or_none() is not None:
        state(session, name, mode.value, now=now)


def resume(session: Session, name: str, *, now: datetime) -> None:
    """Have a worker take jobs again; of two who say so at once, one finds nothing to change."""
    require(session, name)
    untold = session.execute(
        delete(WorkerMode).where(WorkerMode.name == name).returning(WorkerMode.name)
    )
    if untold.one_or_none() is not None:
        state(session, name, "resumed", now=now)


def require(session: Session, name: str) -> None:
    """Only a worker that was here once can be told something."""
    if session.get(Worker, name) is None:
        raise UnknownWorker("no worker of this name has ever announced itself")


def state(session: Session, name: str, what: str, *, now: datetime) -> None:
    entries.append(
        session,
        f"worker.{what}",
        machine="worker",
        row_id=uuid5(NAMESPACE_URL, f"lacuna:worker:{name}"),  # workers have names, rows have ids
        now=now,
        payload={"worker": name, "at": now.isoformat()},
    )
    session.flush()


def of(session: Session, name: str) -> Mode | None:
    """What the worker was told; None where it works."""
    return session.scalar(select(WorkerMode.mode).where(WorkerMode.name == name))


def modes(session: Session) -> dict[str, str]:
    """By name: what workers were told; those who are not in it are `WORKING`."""
    return {told.name: told.mode.value for told in session.scalars(select(WorkerMode))}


def holding(session: Session) -> dict[str, UUID]:
    """By worker: the job that it holds."""
    held = select(Job.worker, Job.id).where(
        Job.state.in_(ACTIVE_JOB_STATES), Job.lease_until.is_not(None), Job.worker.is_not(None)
    )
    return {str(worker): job_id for worker, job_id in session.execute(held)}
