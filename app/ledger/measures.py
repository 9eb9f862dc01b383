"""What of the ledger is worth watching: what waits, what is due, what work took, what is signed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, case, func, select, text
from sqlalchemy.orm import Session

from app.ledger import tree
from app.ledger.clock_tables import DueMark, Urgency
from app.ledger.jobs import free
from app.ledger.log_tables import LedgerEntry, PendingEntry
from app.ledger.states import (
    CLAIMABLE_JOB_STATES,
    FINAL_REQUEST_STATES,
    OPEN_ERASURE_STATES,
    ErasureState,
    JobKind,
    JobState,
)
from app.ledger.tables import DeletionRequest, Erasure, Job, Model

# The upper ends of a histogram's buckets, in seconds; what took longer is in one more.
BUCKETS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 24 * 3600.0)


@dataclass(frozen=True)
class Backlog:
    """What a model still owes."""

    model: str
    erasures: int
    due_at: datetime  # the earliest
    pending_since: datetime | None  # of the oldest erasure that no job carries out yet


def backlogs(session: Session) -> list[Backlog]:
    """The open erasures of each model that has any."""
    pending = case((Erasure.state == ErasureState.PENDING, Erasure.created_at))
    rows = session.execute(
        select(Model.name, func.count(Erasure.id), func.min(Erasure.due_at), func.min(pending))
        .join(Model, Model.id == Erasure.model_id)
        .where(Erasure.state.in_(OPEN_ERASURE_STATES))
        .group_by(Model.name)
        .order_by(Model.name)
    )
    return [Backlog(*row) for row in rows]


def unclaimed_since(session: Session, *, now: datetime) -> dict[str, datetime]:
    """By model: since when the oldest of the jobs that a worker may take has had none."""
    since = func.greatest(Job.created_at, Job.lease_until, Job.not_before)
    rows = session.execute(
        select(Model.name, func.min(since))
        .join(Model, Model.id == Job.model_id)
        .where(Job.state.in_(CLAIMABLE_JOB_STATES), free(now))
        .group_by(Model.name)
    )
    return dict(rows.all())


def overdue(session: Session, *, now: datetime) -> int:
    """Open requests whose due date is past."""
    return session.scalars(
        select(func.count(DeletionRequest.id)).where(
            DeletionRequest.state.not_in(FINAL_REQUEST_STATES), DeletionRequest.due_at < now
        )
    ).one()


def predicted_late(session: Session, *, now: datetime) -> int:
    """Open requests whose due date is to come, and was said to be missed by what jobs take."""
    return session.scalars(
        select(func.count(DeletionRequest.id))
        .join(
            DueMark,
            (DueMark.request_id == DeletionRequest.id) & (DueMark.due_at == DeletionRequest.due_at),
        )
        .where(
            DueMark.urgency == Urgency.PREDICTED_LATE,
            DeletionRequest.state.not_in(FINAL_REQUEST_STATES),
            DeletionRequest.due_at >= now,
        )
    ).one()


def jobs_by_state(session: Session) -> Sequence[Row[str, JobKind, JobState, int]]:
    """Model, kind, state, and how many such jobs there are."""
    return session.execute(
        select(Model.name, Job.kind, Job.state, func.count(Job.id))
        .join(Model, Model.id == Job.model_id)
        .group_by(Model.name, Job.kind, Job.state)
        .order_by(Model.name, Job.kind, Job.state)
    ).all()


def escalations(session: Session) -> dict[str, int]:
    """By model: jobs that were retrained after all, for their audit or because they diverged."""
    rows = session.execute(
        select(Model.name, func.count(Job.id))
        .join(Model, Model.id == Job.model_id)
        .where(Job.decision.has_key("escalated_from"))
        .group_by(Model.name)
    )
    return dict(rows.all())


def forgotten(session: Session) -> dict[str, int]:
    """By model: erasures that a published version has carried out."""
    rows = session.execute(
        select(Model.name, func.count(Erasure.id))
        .join(Model, Model.id == Erasure.model_id)
        .where(Erasure.state == ErasureState.FORGOTTEN)
        .group_by(Model.name)
    )
    return dict(rows.all())


PHASES = text("""
WITH step AS (
    SELECT entry.row_id, entry.revision, payload.payload::jsonb AS said
    FROM ledger_entries entry JOIN ledger_payloads payload ON payload.entry_id = entry.id
    WHERE entry.machine = 'job'
), phase AS (
    SELECT row_id, said->>'state' AS state,
        lead((said->>'at')::timestamptz) OVER (PARTITION BY row_id ORDER BY revision)
            - (said->>'at')::timestamptz AS lasted
    FROM step
), took AS (
    SELECT job.kind, phase.state, greatest(0, extract(epoch FROM lasted)::float8) AS seconds
    FROM phase JOIN jobs job ON job.id = phase.row_id
    WHERE lasted IS NOT NULL
)
SELECT kind, state, width_bucket(seconds, :bounds) AS place, count(*), sum(seconds)
FROM took GROUP BY kind, state, place ORDER BY kind, state, place
""")


@dataclass
class Histogram:
    """How long jobs stayed in a state: counts by bucket, the last for all that took longer."""

    counts: list[int]
    total: float = 0.0


def phases(session: Session) -> dict[tuple[str, str], Histogram]:
    """By kind of job and state: how long jobs stayed in it, from the entries of their steps.

    A job that was sent back counts twice; one that is in a state now does not count there yet.
    """
    found: dict[tuple[str, str], Histogram] = {}
    for kind, state, place, count, seconds in session.execute(PHASES, {"bounds": list(BUCKETS)}):
        histogram = found.setdefault((kind, state), Histogram([0] * (len(BUCKETS) + 1)))
        histogram.counts[place] += count
        histogram.total += seconds
    return found


COMPUTE = text("""
SELECT model.name, job.run #>> '{made_with,hardware,device}' AS device,
    sum(coalesce((job.hardness->>'seconds')::float8, 0)
        + coalesce((job.run->>'seconds')::float8, 0)
        + coalesce((job.audit->>'seconds')::float8, 0)
        + coalesce(earlier.seconds, 0))
FROM jobs job
JOIN models model ON model.id = job.model_id
LEFT JOIN LATERAL (
    SELECT sum((said->>'seconds')::float8 + coalesce((said #>> '{audit,seconds}')::float8, 0))
        AS seconds
    FROM jsonb_array_elements(job.run->'earlier') AS overruled (said)
) earlier ON true
WHERE job.kind = 'unlearn' AND job.hardness IS NOT NULL
GROUP BY model.name, device ORDER BY model.name, device
""")


def compute(session: Session) -> Sequence[Row[str, str | None, float]]:
    """Model, device, and the seconds that measuring, forgetting and auditing took there.

    Attempts that failed are not in it: nobody was left to say how long they took. The device is
    None where nothing had to be run.
    """
    return session.execute(COMPUTE).all()


def unsequenced(session: Session) -> int:
    """Entries that have no place in the tree yet."""
    return session.scalars(select(func.count()).select_from(PendingEntry)).one()


def unsequenced_since(session: Session) -> datetime | None:
    """A moment before which no waiting entry has waited; None where none waits.

    Entries say their hour only. What was signed last came before what waits, so the lag that
    follows from this is never too small, and too large for a moment after a quiet time.
    """
    hour = session.scalar(
        select(LedgerEntry.hour)
        .join(PendingEntry, PendingEntry.entry_id == LedgerEntry.id)
        .order_by(PendingEntry.entry_id)
        .limit(1)
    )
    signed = tree.newest(session)
    if hour is None or signed is None:
        return hour
    return max(hour, signed.signed_at)
