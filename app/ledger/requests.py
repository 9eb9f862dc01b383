"""Deletion requests: what came in from outside, and where it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session, joinedload, selectinload

from app.bitmap import Bitmap
from app.errors import Fault, IllegalTransition, NameTaken, UnknownRequest
from app.evidence.canonical import Json
from app.law import Law, Manner
from app.ledger import datasets, lineage, receipts
from app.ledger.entries import Fact
from app.ledger.reasons import DenialReason
from app.ledger.states import (
    FINAL_REQUEST_STATES,
    OPEN_ERASURE_STATES,
    ErasureState,
    RequestState,
)
from app.ledger.tables import DeletionRequest, Erasure, RequestSamples
from app.ledger.transitions import create, fact_of, move
from app.ledger.uniqueness import or_refuse

COMPLETED = (RequestState.COMPLETED, RequestState.COMPLETED_NO_DATA)
WITHOUT_EFFECT = (RequestState.VERIFYING, RequestState.CANCELLED, RequestState.DENIED)
BEGUN = (ErasureState.BATCHED, ErasureState.FORGOTTEN, ErasureState.CLEARED)


Samples = Mapping[UUID, Bitmap]  # by dataset


@dataclass(frozen=True)
class Submission:
    """A request after its samples were resolved; the person is known by a keyed hash only."""

    samples: dict[UUID, Bitmap]  # by dataset
    subject_key: bytes | None
    received_at: datetime
    due_at: datetime
    external_id: str | None = None
    law: Law = Law.GDPR
    confirm_by: datetime | None = None
    manner: Manner | None = None
    by_samples: bool = False  # the caller named the samples themselves


def received(session: Session, submission: Submission, *, now: datetime) -> DeletionRequest:
    """A request that has no effect yet."""
    request = row(submission)
    with or_refuse(session, known_already()):
        create(session, request, now=now, **terms(request))
    return request


def received_fact(request: DeletionRequest, *, now: datetime) -> Fact:
    """What is entered of a request that has come in."""
    return fact_of(request, now=now, facts=terms(request))


def terms(request: DeletionRequest) -> dict[str, Json]:
    """Under which law, by when, and in which manner it was asked."""
    told: dict[str, Json] = {"law": request.law.value, "due_at": request.due_at.isoformat()}
    return told | ({"manner": request.manner.value} if request.manner else {})


def row(submission: Submission) -> DeletionRequest:
    """A request as it is first written."""
    return DeletionRequest(
        id=uuid4(),
        revision=0,
        external_id=submission.external_id,
        state=RequestState.RECEIVED,
        subject_key=submission.subject_key,
        sample_count=sum(map(len, submission.samples.values())),
        law=submission.law,
        manner=submission.manner,
        received_at=submission.received_at,
        confirm_by=submission.confirm_by,
        due_at=submission.due_at,
        erasures=[],
    )


def keep_samples(
    session: Session, request: DeletionRequest, samples: Mapping[UUID, Bitmap]
) -> None:
    """Remember which samples a request was resolved to."""
    session.add_all(
        RequestSamples(request_id=request.id, dataset_id=dataset_id, samples=ordinals)
        for dataset_id, ordinals in samples.items()
    )


def known_already() -> NameTaken:
    """One outside id, one request."""
    return NameTaken(
        "a request with this external_id exists already; to repeat a POST safely, send the same "
        "Idempotency-Key",
        Fault("/external_id", "name_taken", "in use"),
    )


def settle(session: Session, request: DeletionRequest, *, now: datetime) -> None:
    """Let the request's state follow the least advanced of its erasures.

    It is completed, with or without data, only if nothing holds its samples any more (I3).
    """
    state = following(request)
    if state is request.state or request.state in FINAL_REQUEST_STATES:
        return
    if state in FINAL_REQUEST_STATES:
        request.finished_at = now
    move(session, request, state, now=now, erasures=len(request.erasures))
    if state in COMPLETED:
        samples = resolved(session, request.id)
        make_sure(session, state, samples)
        receipts.state_completion(session, request, samples, now=now)


def make_sure(session: Session, state: RequestState, samples: Mapping[UUID, Bitmap]) -> None:
    """Raise `Incomplete` if anything would be left of samples whose request is to end so."""
    if state is RequestState.COMPLETED_NO_DATA:  # no job has seen to it
        lineage.forget_rows(session, samples)
    lineage.require_complete(session, samples)


def following(request: DeletionRequest) -> RequestState:
    """The state that a request's erasures imply."""
    states = {erasure.state for erasure in request.erasures}
    if not states:
        return RequestState.COMPLETED_NO_DATA
    if states == {ErasureState.CANCELLED}:
        return RequestState.CANCELLED
    if ErasureState.ON_HOLD in states:
        return RequestState.ON_HOLD
    if states.isdisjoint(OPEN_ERASURE_STATES):
        return RequestState.COMPLETED
    return RequestState.ACCEPTED if states == {ErasureState.PENDING} else RequestState.IN_PROGRESS


def cancel(session: Session, request_id: UUID, *, now: datetime, reason: str) -> DeletionRequest:
    """Take a request back before any model has begun to forget its samples."""
    return give_up(session, request_id, RequestState.CANCELLED, now=now, reason=reason)


def deny(
    session: Session,
    request_id: UUID,
    *,
    reasons: Sequence[DenialReason],
    notice: str,
    now: datetime,
) -> DeletionRequest:
    """Refuse a request before any model has begun to forget its samples.

    `notice` says where the text lies by which the person was told, with the ways to complain.
    """
    codes = [reason.value for reason in reasons]
    request = give_up(
        session,
        request_id,
        RequestState.DENIED,
        now=now,
        reason="the request was denied",
        codes=codes,
        notice=notice,
    )
    receipts.state_denial(session, request, resolved(session, request_id), codes, now=now)
    return request


def give_up(
    session: Session, request_id: UUID, state: RequestState, *, now: datetime, **facts: Json
) -> DeletionRequest:
    """End a request that nobody has begun to carry out, and lift the tombstones of its samples.

    The datasets are locked before the request, as in every transaction that locks both: nobody
    may claim these samples while it is looked up who else does.
    """
    samples = resolved(session, request_id)
    datasets.lock(session, *samples)
    request = get(session, request_id, lock=True)
    if any(erasure.state in BEGUN for erasure in request.erasures):
        raise IllegalTransition("a model has begun to forget these samples; it is too late")
    move(session, request, state, now=now, **facts)
    request.finished_at = now
    for erasure in request.erasures:
        move(session, erasure, ErasureState.CANCELLED, now=now, reason=facts["reason"])
    for dataset_id, ordinals in samples.items():
        kept = claimed_by_others(session, dataset_id) | datasets.buried_for_good(
            session, dataset_id
        )
        datasets.unbury(session, dataset_id, ordinals - kept)
    return request


def resolved(session: Session, request_id: UUID) -> dict[UUID, Bitmap]:
    """By dataset: the samples a request was resolved to."""
    rows = session.scalars(select(RequestSamples).where(RequestSamples.request_id == request_id))
    return {row.dataset_id: row.samples for row in rows}


def claimed_by_others(session: Session, dataset_id: UUID) -> Bitmap:
    """The samples of a dataset that requests still in force want forgotten."""
    claims = session.scalars(
        select(RequestSamples.samples)
        .join(DeletionRequest, DeletionRequest.id == RequestSamples.request_id)
        .where(
            RequestSamples.dataset_id == dataset_id,
            DeletionRequest.state.not_in(WITHOUT_EFFECT),
        )
    )
    union = Bitmap()
    for ordinals in claims:
        union |= ordinals
    return union


def get(session: Session, request_id: UUID, *, lock: bool = False) -> DeletionRequest:
    """The request of this id, with its erasures and their models; locked, as it is by then."""
    query = select(DeletionRequest).where(DeletionRequest.id == request_id).options(*WITH_ERASURES)
    if lock:
        query = query.with_for_update(of=DeletionRequest).execution_options(populate_existing=True)
    request = session.scalar(query)
    if request is None:
        raise UnknownRequest("there is no deletion request with this id")
    return request


def listed(
    session: Session,
    *,
    limit: int,
    after: tuple[datetime, UUID] | None = None,
    state: RequestState | None = None,
    which: ColumnElement[bool] | None = None,
    **equal: Any,
) -> Sequence[DeletionRequest]:
    """Requests, newest first, those after a place in that order."""
    query = select(DeletionRequest).options(*WITH_ERASURES).filter_by(**equal)
    if which is not None:
        query = query.where(which)
    if state is not None:
        query = query.where(DeletionRequest.state == state)
    place = tuple_(DeletionRequest.received_at, DeletionRequest.id)
    if after is not None:
        query = query.where(place < after)
    return session.scalars(
        query.order_by(DeletionRequest.received_at.desc(), DeletionRequest.id.desc()).limit(limit)
    ).all()


WITH_ERASURES = (selectinload(DeletionRequest.erasures).options(joinedload(Erasure.model)),)
