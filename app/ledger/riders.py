"""Canaries that ride with a job: forgotten with its samples, and known only to who audits it.

A window of canaries is chosen without a look at their coins. Those that are in ride: they go into
the forget set, where nothing tells them apart. Those that are out are what they are held against.
No coin is looked at twice, so that the tests of a model's jobs can be put together.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import canaries, entries, references, versions
from app.ledger.canaries import FEWEST, LOT
from app.ledger.canary_tables import Canary, CanaryDeal
from app.ledger.tables import Job, ModelVersion

JOBS = 5  # that a pool lasts for; each looks at one part of it


@dataclass(frozen=True)
class Pool:
    """The canaries that a version's lineage has, and how many coins were flipped for it in all."""

    dealt: int
    rows: tuple[Canary, ...]

    @property
    def fresh(self) -> list[Canary]:
        """Those whose coins nobody has looked at."""
        return [row for row in self.rows if row.job_id is None]

    @property
    def never_seen(self) -> list[Canary]:
        """Those that no version of the lineage was trained on."""
        return [row for row in self.rows if not row.included]


def pool(session: Session, version: ModelVersion) -> Pool:
    """The canaries that are still there for a version: dealt before it, or what it descends from.

    There are none for weights that were trained elsewhere.
    """
    deals = session.scalars(
        select(CanaryDeal).where(CanaryDeal.job_id.in_(lineage_jobs(session, version)))
    ).all()
    rows = session.scalars(
        select(Canary).where(Canary.deal_id.in_([dealt.id for dealt in deals])).order_by(Canary.id)
    )
    return Pool(sum(dealt.size for dealt in deals), tuple(row for row in rows if row.samples))


def lineage_jobs(session: Session, version: ModelVersion) -> list[UUID]:
    """The jobs that made a version and its ancestors."""
    made = [version]
    while (parent_id := made[-1].parent_id) is not None:
        made.append(versions.by_id(session, parent_id))
    return [one.job_id for one in made if one.job_id is not None]


def window(
    session: Session, parent: ModelVersion, asked: Bitmap, *, lot: random.Random = LOT
) -> list[Canary]:
    """The canaries whose coins the next job looks at: as hard as what is asked for, or by lot.

    Empty where too few are left to tell anything, or where nothing else would remain. Their number
    is fixed beforehand, for a window that stopped at some coin would favour it.
    """
    known = pool(session, parent)
    fresh = known.fresh
    if len(fresh) < FEWEST:
        return []
    lot.shuffle(fresh)
    wanted = hardness(session, parent, asked)
    if wanted is not None and all(row.hardness is not None for row in fresh):
        fresh.sort(key=lambda row: abs((row.hardness or 0.0) - wanted))
    chosen = fresh[: max(FEWEST, ceil(known.dealt / JOBS))]
    return [] if parent.training_set <= asked | riding(chosen) else chosen


def hardness(session: Session, parent: ModelVersion, asked: Bitmap) -> float | None:
    """The mean loss of samples on references that steer and never saw them, where there are any."""
    generation, _ = versions.last_exact(session, parent)
    if not asked <= generation.training_set:
        return None
    losses = [
        loss
        for row in references.complete(session, generation, judging=False)
        for ordinal, loss in zip(
            asked, references.losses_of(row, generation.training_set, asked), strict=True
        )
        if ordinal in row.left_out
    ]
    return sum(losses) / len(losses) if losses else None


def riding(chosen: Sequence[Canary]) -> Bitmap:
    """What of a window goes into the forget set."""
    return canaries.union([row.samples for row in chosen if row.included])


def spend(session: Session, job: Job, chosen: Sequence[Canary], *, now: datetime) -> None:
    """Note that this job looks at these coins; the entry says how many, not whose."""
    if not chosen:
        return
    for row in chosen:
        row.job_id = job.id
    entries.append(
        session,
        "canaries.spent",
        machine="canary_window",
        row_id=job.id,
        now=now,
        payload={"job": str(job.id), "subjects": len(chosen)},
    )


def take_back(session: Session, job: Job) -> None:
    """Of a job that ended before any audit: nobody has looked at its coins."""
    if job.audit is None:
        session.execute(update(Canary).where(Canary.job_id == job.id).values(job_id=None))


def of_job(session: Session, job_id: UUID) -> list[Canary]:
    """The canaries whose coins a job looks at, less those that asked to be forgotten since."""
    rows = session.scalars(select(Canary).where(Canary.job_id == job_id).order_by(Canary.id))
    return [row for row in rows if row.samples]
