"""Deletion requests in the words of OpenDSR 2.0: how they stand, and who is called back."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from app.errors import IllegalTransition, UnknownRequest
from app.evidence.canonical import Json, canonical
from app.ledger import messages, requests, webhooks
from app.ledger.opendsr_tables import OpendsrCallback, OpendsrRequest
from app.ledger.outbox import EventType
from app.ledger.states import FINAL_REQUEST_STATES, RequestState
from app.ledger.tables import DeletionRequest
from app.ledger.uniqueness import or_refuse
from app.ledger.webhook_tables import Signing, Webhook, WebhookEvent

VERSION = "2.0"


class Status(StrEnum):
    """How a request stands (section 8). There is no word for a refusal."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


STATUS_OF: dict[RequestState, Status] = {
    RequestState.RECEIVED: Status.PENDING,
    RequestState.VERIFYING: Status.PENDING,
    RequestState.ACCEPTED: Status.PENDING,
    RequestState.ON_HOLD: Status.PENDING,
    RequestState.IN_PROGRESS: Status.IN_PROGRESS,
    RequestState.COMPLETED: Status.COMPLETED,
    RequestState.COMPLETED_NO_DATA: Status.COMPLETED,
    RequestState.DENIED: Status.CANCELLED,
    RequestState.CANCELLED: Status.CANCELLED,
}
# Every step after receipt that is told at all. Until a person is verified, none is.
CALLED_BACK = frozenset(
    {
        EventType.REQUEST_ACCEPTED,
        EventType.REQUEST_IN_PROGRESS,
        EventType.REQUEST_ON_HOLD,
        EventType.REQUEST_COMPLETED,
        EventType.REQUEST_COMPLETED_NO_DATA,
        EventType.REQUEST_DENIED,
        EventType.REQUEST_CANCELLED,
    }
)
# Of requests that want to be called back: their ids.
REQUESTS_CALLED_BACK = select(OpendsrCallback.request_id)


def keep(
    session: Session,
    request: DeletionRequest,
    subject_request_id: UUID,
    *,
    controller_id: str,
    domain: str,
    callbacks: Iterable[str],
    now: datetime,
) -> OpendsrRequest:
    """Remember under which id a controller sent a request, and whom it wants called back.

    Raises NameTaken for an id that was sent before.
    """
    session.flush()
    kept = OpendsrRequest(
        request_id=request.id,
        subject_request_id=subject_request_id,
        controller_id=controller_id,
        domain=domain,
        taken_at=now,
        request=request,
    )
    with or_refuse(session, requests.known_already()):
        session.add(kept)
    for url in sorted(set(callbacks)):
        webhook = callback_webhook(session, url, now=now)
        session.add(OpendsrCallback(request_id=request.id, webhook_id=webhook.id))
    session.flush()
    return kept


def callback_webhook(session: Session, url: str, *, now: datetime) -> Webhook:
    """The webhook of a callback URL, made at its first use; one for all requests that name it."""
    if (known := known_callback(session, url)) is not None:
        return known
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))"),
        {"name": f"opendsr callback {url}"},
    )
    return known_callback(session, url) or webhooks.create(
        session, url, events=CALLED_BACK, model=None, signing=Signing.OPENDSR, now=now
    )


def known_callback(session: Session, url: str) -> Webhook | None:
    """The same if there is one already, which nobody can remove before this transaction ends."""
    return session.scalar(
        select(Webhook)
        .where(Webhook.url == url, Webhook.signing == Signing.OPENDSR)
        .with_for_update(read=True, key_share=True)
    )


def get(session: Session, subject_request_id: UUID) -> OpendsrRequest:
    """The request that a controller sent under this id, with the request that it became."""
    kept = session.scalar(
        select(OpendsrRequest).where(OpendsrRequest.subject_request_id == subject_request_id)
    )
    if kept is None:
        raise UnknownRequest("no request with this id came in over OpenDSR")
    kept.request = requests.get(session, kept.request_id)
    return kept


def cancel(session: Session, kept: OpendsrRequest, *, now: datetime) -> None:
    """Take a request back while it is pending (section 9)."""
    if STATUS_OF[kept.request.state] is not Status.PENDING:
        raise IllegalTransition(f"the request is {kept.request.state}, and no longer pending")
    requests.cancel(session, kept.request_id, now=now, reason="taken back over OpenDSR")


def status(kept: OpendsrRequest, request: DeletionRequest, state: RequestState) -> dict[str, Json]:
    """The body that says how a request stands (section 8.3), in this state of it.

    The extension tells apart what OpenDSR has one word for, once the request has come to its end.
    """
    told: dict[str, Json] = {
        "controller_id": kept.controller_id,
        "expected_completion_time": messages.spelled(request.due_at),
        "subject_request_id": str(kept.subject_request_id),
        "request_status": STATUS_OF[state].value,
        "api_version": VERSION,
    }
    if state in FINAL_REQUEST_STATES:
        told["extensions"] = {kept.domain: {"outcome": state.value}}
    return told


def webhooks_called(session: Session, event: WebhookEvent) -> set[UUID]:
    """Whom the request of this event wants called back."""
    if event.kind not in CALLED_BACK:
        return set()
    return set(
        session.scalars(
            select(OpendsrCallback.webhook_id).where(OpendsrCallback.request_id == event.row_id)
        )
    )


def callback(session: Session, event: WebhookEvent, webhook: Webhook) -> str | None:
    """What a webhook is told of a step (section 8.6); None where it is told as all others are."""
    if webhook.signing is not Signing.OPENDSR or event.kind not in CALLED_BACK:
        return None
    kept = session.get_one(OpendsrRequest, event.row_id)
    request = session.get_one(DeletionRequest, event.row_id)
    told = status(kept, request, RequestState(messages.entered(event, request.state)))
    return canonical(told | {"status_callback_url": webhook.url}).decode()


def forget(session: Session, request_id: UUID) -> None:
    """Drop what ties a request to the controller's own."""
    session.execute(delete(OpendsrRequest).where(OpendsrRequest.request_id == request_id))
