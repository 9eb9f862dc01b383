"""Forgets who asked, and for what, once their time is over; every proof stays valid.

What stays is the skeleton that the law wants kept: dates, states, counts, and the ledger's leaves,
which only ever held commitments. The samples stay tombstoned, with marks in the place of their
names.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, or_, select, update
from sqlalchemy.orm import Session

from app.bitmap import Bitmap
from app.ledger import datasets, entries, job_sizes, jobs, marks, opendsr, receipts, requests
from app.ledger.check_tables import Check
from app.ledger.clock_tables import Extension
from app.ledger.log_tables import LedgerEntry, LedgerPayload, SampleCommitment
from app.ledger.states import JobKind, RequestState
from app.ledger.tables import (
    DeletionRequest,
    Erasure,
    IdempotencyKey,
    Job,
    ModelVersion,
    RequestSamples,
)

ABOUT_REQUESTS = ("deletion_request", "extension", "due_mark", receipts.MACHINE)
NEVER_FORGOTTEN = (RequestState.CANCELLED, RequestState.DENIED)


def overdue(session: Session, *, before: datetime, limit: int) -> Sequence[UUID]:
    """Requests that came to their end before this moment and are not shredded, oldest first."""
    return session.scalars(
        select(DeletionRequest.id)
        .where(DeletionRequest.shredded_at.is_(None), DeletionRequest.finished_at <= before)
        .order_by(DeletionRequest.finished_at)
        .limit(limit)
    ).all()


def shred(session: Session, request_id: UUID, *, now: datetime) -> bool:
    """Destroy what ties a request to a person or to samples; whether that was done.

    Not yet, while a job under way is to forget some of them: it has to name them. The datasets are
    locked first.
    """
    samples = requests.resolved(session, request_id)
    datasets.lock(session, *samples)
    request = requests.get(session, request_id, lock=True)
    if request.shredded_at is not None or jobs.forgetting(session, samples):
        return False
    if request.state not in NEVER_FORGOTTEN:
        for dataset_id, ordinals in samples.items():
            datasets.keep_buried(session, dataset_id, ordinals)
            marks.take_names(session, dataset_id, ordinals, now=now)
    request.subject_key = request.external_id = None
    request.shredded_at = now
    for erasure in request.erasures:
        erasure.samples = Bitmap()
    opendsr.forget(session, request_id)
    session.execute(delete(RequestSamples).where(RequestSamples.request_id == request_id))
    session.execute(delete(SampleCommitment).where(SampleCommitment.owner_id == request_id))
    session.execute(update(Extension).where(Extension.request_id == request_id).values(notice=None))
    shred_payloads(session, request)
    shred_jobs(session, request)
    entries.append(
        session,
        "deletion_request.shredded",
        machine="retention",
        row_id=request_id,
        now=now,
        payload={"id": str(request_id), "at": now.isoformat()},
    )
    session.flush()
    return True


def shred_payloads(session: Session, request: DeletionRequest) -> None:
    """Destroy the payloads and salts of the request's entries, and of its erasures'."""
    erasures = [erasure.id for erasure in request.erasures]
    theirs = select(LedgerEntry.id).where(
        or_(
            LedgerEntry.machine.in_(ABOUT_REQUESTS) & (LedgerEntry.row_id == request.id),
            (LedgerEntry.machine == "erasure") & LedgerEntry.row_id.in_(erasures),
        )
    )
    session.execute(delete(LedgerPayload).where(LedgerPayload.entry_id.in_(theirs)))


def shred_jobs(session: Session, request: DeletionRequest) -> None:
    """Destroy the forget sets of jobs all of whose requests are shredded, and of their checks."""
    mine = [erasure.job_id for erasure in request.erasures if erasure.job_id is not None]
    others = (
        exists()
        .where(Erasure.job_id == Job.id, Erasure.request_id == DeletionRequest.id)
        .where(DeletionRequest.shredded_at.is_(None))
    )
    done = session.scalars(select(Job.id).where(Job.id.in_(mine), ~others)).all()
    checks = (
        select(Check.job_id)
        .join(ModelVersion, ModelVersion.id == Check.version_id)
        .where(ModelVersion.job_id.in_(done))
    )
    for job in session.scalars(select(Job).where(or_(Job.id.in_(done), Job.id.in_(checks)))):
        job_sizes.shred(job)
    session.execute(delete(SampleCommitment).where(SampleCommitment.owner_id.in_(done)))


def shred_dry_runs(session: Session, *, before: datetime) -> None:
    """Destroy what dry runs were about that ended before this moment; nobody need ever have asked.

    How hard it would have been stays, and how many samples that was.
    """
    ended = select(Job).where(
        Job.kind == JobKind.ASSESS, Job.finished_at <= before, Job.forget_size.is_(None)
    )
    for job in session.scalars(ended.with_for_update(skip_locked=True)):
        job_sizes.shred_dry_run(job)
    session.flush()


def shred_answers(session: Session, *, before: datetime) -> None:
    """Destroy what was answered to repeated POSTs: it holds the callers' own ids."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at <= before))
