"""Requests of people who have yet to prove who they are: without effect until they have."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.errors import IllegalTransition
from app.ledger import datasets, first_training, intake, requests
from app.ledger.identification_tables import Identification
from app.ledger.log_tables import LedgerEntry, LedgerPayload
from app.ledger.requests import Submission
from app.ledger.states import RequestState
from app.ledger.tables import DeletionRequest, RequestSamples
from app.ledger.transitions import move

LAPSED = "not verified in time"


def submit(
    session: Session, submission: Submission, *, lapses_at: datetime, now: datetime
) -> DeletionRequest:
    """Keep a request whose person is yet to be identified; nothing is buried, no model owes.

    Samples that were named are kept with it. Those of a subject are looked up when it counts.
    """
    request = requests.received(session, submission, now=now)
    if submission.by_samples:
        requests.keep_samples(session, request, submission.samples)
    else:
        request.sample_count = 0
    session.add(Identification(request_id=request.id, lapses_at=lapses_at))
    move(session, request, RequestState.VERIFYING, now=now, lapses_at=lapses_at.isoformat())
    return request


def confirm(session: Session, request_id: UUID, *, now: datetime) -> DeletionRequest:
    """The person is who they say: the request counts from now on. Its due date stays."""
    known = requests.get(session, request_id)
    samples = requests.resolved(session, request_id)
    if not samples and known.subject_key is not None:
        samples = datasets.ordinals_of_subject(session, known.subject_key)
    # Before the request, as wherever both are locked.
    trainings = first_training.hold(session, samples)
    request = requests.get(session, request_id, lock=True)
    if request.state is not RequestState.VERIFYING:
        raise IllegalTransition(f"the request is {request.state}; it waits for no verification")
    forget(session, request_id)
    intake.accept(session, request, samples, trainings, now=now)
    return request


def forget(session: Session, request_id: UUID) -> None:
    """Drop what was kept until the request counted."""
    for table in (RequestSamples, Identification):
        session.execute(delete(table).where(table.request_id == request_id))


def overdue(session: Session, *, now: datetime, limit: int) -> Sequence[UUID]:
    """Requests whose person did not prove in time who they are, the oldest first."""
    return session.scalars(
        select(Identification.request_id)
        .where(Identification.lapses_at <= now)
        .order_by(Identification.lapses_at)
        .limit(limit)
    ).all()


def lapse(session: Session, request_id: UUID, *, now: datetime) -> bool:
    """End a request that was not verified in time; its `external_id` is free again.

    False for one that has been verified, denied or taken back: then there is nothing to end.
    """
    request = requests.get(session, request_id, lock=True)
    forget(session, request_id)
    if request.state is not RequestState.VERIFYING:
        return False
    request.external_id = None
    request.finished_at = now
    move(session, request, RequestState.CANCELLED, now=now, reason=LAPSED)
    return True


def lapsed(session: Session, request_id: UUID) -> bool:
    """Whether a cancelled request ended so; False too once its payloads are shredded."""
    told = session.scalar(
        select(LedgerPayload.payload)
        .join(LedgerEntry, LedgerEntry.id == LedgerPayload.entry_id)
        .where(
            LedgerEntry.machine == "deletion_request",
            LedgerEntry.row_id == request_id,
            LedgerEntry.kind == f"deletion_request.{RequestState.CANCELLED}",
        )
    )
    return told is not None and json.loads(told).get("reason") == LAPSED
