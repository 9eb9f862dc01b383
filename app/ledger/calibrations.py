"""A model's calibration: which trials are still to be made, and what they have taught."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.errors import Conflict, NoLiveVersion
from app.ledger import datasets, entries, jobs, model_lines, versions
from app.ledger.calibration_tables import Calibration, CalibrationCell
from app.ledger.policy import Policy
from app.ledger.states import JobKind
from app.ledger.tables import Job, Model


@dataclass(frozen=True)
class Kind:
    """What is drawn: `share` of the training set, among memorized samples, from one stratum."""

    share: float
    high: bool
    skewed: bool


# Size × memorization × skew. Each is retrained once, unlearned once and audited.
CELLS = tuple(Kind(*kind) for kind in product((0.01, 0.05), (False, True), (False, True)))
# Of a retrain, for each unlearning: what the benchmark's default takes, and what RUM does, which is
# one method after another (a third on digits and careers, more than one on the other two).
SHARE, SHARE_OF_RUM = 1 / 8, 0.9


def cost(policy: Policy) -> float:
    """In retrains: those of the trials and their unlearning. Audits' forward passes come on top."""
    return len(CELLS) * (1 + (SHARE_OF_RUM if policy.route == "rum" else SHARE))


def queue(session: Session, line: Model, *, now: datetime) -> Job:
    """Ask for a calibration of the live version, at low priority."""
    model_lines.lock(session, line.id)
    if (live := versions.live(session, line.id)) is None:
        raise NoLiveVersion(f"the model {line.name!r} has no live version yet")
    if (active := jobs.active_for(session, line.id, [JobKind.CALIBRATE])) is not None:
        raise Conflict(f"job {active.id} of {line.name!r} is calibrating it already")
    if Policy.of(line.policy).route == "retrain":
        raise Conflict(
            f"the policy of {line.name!r} always retrains: there is nothing to calibrate"
        )
    return jobs.add(
        session,
        line,
        JobKind.CALIBRATE,
        training_set=live.training_set,
        parent=live,
        now=now,
    )


def follow(session: Session, job: Job) -> None:
    """Point a claimed calibration at the version that is live by now, less who has asked to go.

    It outlasts requests: what they forget no trial may see.
    """
    live = versions.live(session, job.model_id)
    if live is not None:
        job.parent_version_id = live.id
        job.training_set = live.training_set - datasets.tombstones(session, job.model.dataset_id)
        session.flush()


def next_number(session: Session, job_id: UUID) -> int | None:
    """The first trial that is still to be made; None when all are there."""
    have = {cell.number for cell in cells(session, job_id)}
    return next((number for number in range(len(CELLS)) if number not in have), None)


def cells(session: Session, job_id: UUID) -> Sequence[CalibrationCell]:
    """The trials of a calibration that have been made."""
    return session.scalars(
        select(CalibrationCell)
        .where(CalibrationCell.job_id == job_id)
        .order_by(CalibrationCell.number)
    ).all()


def add(session: Session, job: Job, number: int, outcome: dict[str, Any], *, now: datetime) -> None:
    """Keep what a trial came to."""
    assert job.parent_version_id is not None
    session.add(
        CalibrationCell(
            job_id=job.id,
            number=number,
            version_id=job.parent_version_id,
            outcome=outcome,
            made_at=now,
        )
    )


def learn(
    session: Session, job: Job, *, method: str, taught: dict[str, Any], now: datetime
) -> None:
    """Replace what the model's decisions take from calibration; the ledger keeps what it was."""
    values = {"job_id": job.id, "method": method, "taught": taught, "made_at": now}
    session.execute(
        insert(Calibration)
        .values(model_id=job.model_id, **values)
        .on_conflict_do_update(index_elements=[Calibration.model_id], set_=values)
    )
    entries.append(
        session,
        "model.calibrated",
        machine="model",
        row_id=job.model_id,
        now=now,
        payload={
            "id": str(job.model_id),
            "name": job.model.name,
            "job": str(job.id),
            "method": method,
            "taught": taught,
        },
    )


def known(session: Session, model_id: UUID) -> Calibration | None:
    """The last calibration of a model that came to its end."""
    return session.get(Calibration, model_id)


def latest(session: Session, model_id: UUID) -> Job | None:
    """The model's newest calibration, whatever has become of it."""
    return session.scalar(
        select(Job)
        .where(Job.model_id == model_id, Job.kind == JobKind.CALIBRATE)
        .order_by(Job.created_at.desc(), Job.id.desc())
        .limit(1)
    )
